import type { Credentials } from "./authenticator.ts";
import { BUSY, type Denial, type Identification, type IdentitySource, WRONG } from "./identity.ts";
import { decoyAmong, isPasswordFor, type KeptPassword } from "./kept_password.ts";
import { ProvenPasswords } from "./proven_passwords.ts";
import type { ScramCredential } from "./scram_credential.ts";
import { CHECKS_MAX, Turns } from "./turns.ts";
import type { UserEntry } from "./user_list.ts";

/** The users whose passwords are known here. */
export interface PasswordSourceOptions {
  /** With scrypt hashes, as {@link readUsersFile} finds them. */
  readonly users: ReadonlyMap<string, UserEntry>;
  /** With SCRAM credentials; no one is in both. None when absent. */
  readonly scramUsers?: ReadonlyMap<string, ScramCredential>;
}

/** Knows the users of the users file and those of the configuration, by their passwords. */
export class PasswordSource implements IdentitySource {
  /** Tells it from other sources. */
  readonly name = "users";
  #users: ReadonlyMap<string, UserEntry>;
  readonly #scramUsers: ReadonlyMap<string, ScramCredential>;
  readonly #checks = new Turns(CHECKS_MAX);
  readonly #proven = new ProvenPasswords();
  /** What a name that nobody has is held against. */
  #decoy: KeptPassword;
  /** Hashes made so far, for those who want to know that a wrong name costs one. */
  hashes = 0;

  /** Knows these users; those of `users` may be exchanged. */
  constructor({ users, scramUsers = new Map() }: PasswordSourceOptions) {
    this.#users = users;
    this.#scramUsers = scramUsers;
    this.#decoy = this.#decoyNow();
  }

  /** Exchanges the users of the users file. Those who are connected and are not as they were no longer hold. */
  replace(users: ReadonlyMap<string, UserEntry>): void {
    this.#users = users;
    this.#proven.clear();
    this.#decoy = this.#decoyNow();
  }

  /** Whether there is such a user who may log in. */
  has(username: string): boolean {
    const user = this.#users.get(username);
    return user === undefined ? this.#scramUsers.has(username) : !user.isDisabled;
  }

  /** Has no word about a name that is nobody's here. */
  async identify({ username, password }: Credentials): Promise<Identification | Denial | undefined> {
    if (username === undefined) return undefined;
    const user = this.#users.get(username);
    const kept = user?.hash ?? this.#scramUsers.get(username);
    if (kept === undefined) return undefined;
    if (user?.isDisabled || !this.#proven.has(username, { kept, password })) {
      const isRight = await this.#check(kept, password);
      if (isRight === undefined) return BUSY;
      if (!isRight) return WRONG;
      this.#proven.add(username, { kept, password });
    }
    if (user === undefined) return { username };
    const holds = () => this.#holds(user);
    return holds() ? { username, groups: user.groups, holds } : WRONG;
  }

  /** Refuses somebody whom nobody knows, at the cost of a password that is wrong. */
  async refuse(): Promise<Denial> {
    return await this.#check(this.#decoy, undefined) === undefined ? BUSY : WRONG;
  }

  /** Undefined when too many others are being checked. */
  #check(kept: KeptPassword, password: Uint8Array | undefined): Promise<boolean | undefined> {
    return this.#checks.run(() => {
      this.hashes++;
      return isPasswordFor(kept, password);
    });
  }

  /** A user that was removed, disabled, or given another password or other groups is not the one who was let in. */
  #holds(user: UserEntry): boolean {
    const now = this.#users.get(user.name);
    return now !== undefined && !now.isDisabled && isSame(now, user);
  }

  #decoyNow(): KeptPassword {
    return decoyAmong([...this.#users.values().map(({ hash }) => hash), ...this.#scramUsers.values()]);
  }
}

function isSame(one: UserEntry, other: UserEntry): boolean {
  return one.hash.key.toBase64() === other.hash.key.toBase64() && one.groups.join() === other.groups.join();
}

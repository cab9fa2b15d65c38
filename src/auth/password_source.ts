import type { Credentials } from "./authenticator.ts";
import { type Denial, type Identification, type IdentitySource, WRONG } from "./identity.ts";
import { ProvenPasswords } from "./proven_passwords.ts";
import { isScramPassword, type ScramCredential } from "./scram_credential.ts";
import { DEFAULT_COST, isPasswordOf, type ScryptHash } from "./scrypt_hash.ts";
import type { UserEntry } from "./user_list.ts";
import { CHECKS_MAX, Turns } from "./turns.ts";

/** The users whose passwords are known here. */
export interface PasswordSourceOptions {
  /** With scrypt hashes, as {@link readUsersFile} finds them. */
  readonly users: ReadonlyMap<string, UserEntry>;
  /** With SCRAM credentials; no one is in both. None when absent. */
  readonly scramUsers?: ReadonlyMap<string, ScramCredential>;
}

const BUSY: Denial = { refusal: "server-busy", reason: "Too many passwords are being checked" };

/** Knows the users of the users file and those of the configuration, by their passwords. */
export class PasswordSource implements IdentitySource {
  /** Tells it from other sources. */
  readonly name = "users";
  #users: ReadonlyMap<string, UserEntry>;
  readonly #scramUsers: ReadonlyMap<string, ScramCredential>;
  readonly #checks = new Turns(CHECKS_MAX);
  readonly #proven = new ProvenPasswords<UserEntry | ScramCredential>();
  #decoy: () => Promise<unknown>;
  /** Hashes made so far, for those who want to know that a wrong name costs one. */
  hashes = 0;

  /** Knows these users; those of `users` may be exchanged. */
  constructor({ users, scramUsers = new Map() }: PasswordSourceOptions) {
    this.#users = users;
    this.#scramUsers = scramUsers;
    this.#decoy = this.#decoyOf();
  }

  /** Exchanges the users of the users file. Those who are connected and are not as they were no longer hold. */
  replace(users: ReadonlyMap<string, UserEntry>): void {
    this.#users = users;
    this.#proven.clear();
    this.#decoy = this.#decoyOf();
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
    const credential = this.#scramUsers.get(username);
    const known = user ?? credential;
    if (known === undefined) return undefined;
    if (user?.isDisabled || !this.#proven.has(username, { user: known, password })) {
      const isRight = await this.#check(() => {
        return user === undefined ? isScramPassword(password, credential!) : isPasswordOf(user.hash, password);
      });
      if (isRight === undefined) return BUSY;
      if (!isRight) return WRONG;
      this.#proven.add(username, { user: known, password });
    }
    if (user === undefined) return { username };
    const holds = () => this.#holds(user);
    return holds() ? { username, groups: user.groups, holds } : WRONG;
  }

  /** Refuses somebody whom nobody knows, at the cost of a password that is wrong. */
  async refuse(): Promise<Denial> {
    return await this.#check(this.#decoy) === undefined ? BUSY : WRONG;
  }

  #check<T>(check: () => Promise<T>): Promise<T | undefined> {
    return this.#checks.run(() => {
      this.hashes++;
      return check();
    });
  }

  /** A user that was removed, disabled, or given another password or other groups is not the one who was let in. */
  #holds(user: UserEntry): boolean {
    const now = this.#users.get(user.name);
    return now !== undefined && !now.isDisabled && isSame(now, user);
  }

  /** What most users cost. */
  #decoyOf(): () => Promise<unknown> {
    const costs = [...this.#users.values()].map(({ hash: { logN, r, p } }) => `${logN} ${r} ${p}`);
    const rounds = [...this.#scramUsers.values()].map(({ iterations }) => iterations);
    if (rounds.length > costs.length) {
      const known = { salt: new Uint8Array(16), iterations: mostOf(rounds)!, storedKey: undefined };
      return () => isScramPassword(undefined, known);
    }
    const [logN, r, p] = mostOf(costs)?.split(" ").map(Number) ?? [DEFAULT_COST.logN, DEFAULT_COST.r, DEFAULT_COST.p];
    const hash: ScryptHash = { logN, r, p, salt: new Uint8Array(16), key: new Uint8Array(32) };
    return () => isPasswordOf(hash, undefined);
  }
}

function isSame(one: UserEntry, other: UserEntry): boolean {
  return one.hash.key.toBase64() === other.hash.key.toBase64() && one.groups.join() === other.groups.join();
}

/** The value that comes most often, the first of several; undefined when there are none. */
export function mostOf<T>(values: readonly T[]): T | undefined {
  const counts = new Map<T, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  let most: [T, number] | undefined;
  for (const entry of counts) if (most === undefined || entry[1] > most[1]) most = entry;
  return most?.[0];
}

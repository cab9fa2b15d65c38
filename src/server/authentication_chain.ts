import { getLogger } from "@logtape/logtape";
import {
  ALLOW_ALL,
  type AuthenticationMethod,
  type Authenticator,
  knownClient,
  type PolicyOf,
} from "../auth/authenticator.ts";
import { CertificateIdentity } from "../auth/certificate_identity.ts";
import { IdentityChain } from "../auth/identity_chain.ts";
import { PasswordSource } from "../auth/password_source.ts";
import { ScramSha256 } from "../auth/scram_sha_256.ts";
import type { UserEntry } from "../auth/user_list.ts";
import { readUsersFile, UsersFileError } from "../auth/users_file.ts";
import type { AuthConfig, ScramUser } from "../config/config.ts";

/** What a chain needs from others. */
export interface AuthenticationChainOptions {
  /** What a client may do once it is known; {@link ALLOW_ALL} when absent. */
  readonly policyOf?: PolicyOf;
}

/** Everything that the configuration names to tell who a client is, in this order: certificate, users. The first that knows the
 * client decides. */
export class AuthenticationChain {
  /** Asked at a CONNECT without a method. */
  readonly authenticator: Authenticator;
  /** Those that a CONNECT may name. */
  readonly methods: readonly AuthenticationMethod[];
  readonly #usersFile: string | undefined;
  readonly #scramUsers: ReadonlyMap<string, ScramUser>;
  readonly #passwords: PasswordSource;

  private constructor(auth: AuthConfig, users: ReadonlyMap<string, UserEntry>, policyOf: PolicyOf) {
    this.#usersFile = auth.usersFile;
    this.#scramUsers = new Map(auth.scramUsers.map((user) => [user.username, user]));
    this.#passwords = new PasswordSource({ users, scramUsers: this.#scramUsers });
    const find = (username: string) => this.#scramUsers.get(username);
    this.methods = auth.scramUsers.length > 0 ? [new ScramSha256(find, { policyOf })] : [];
    const chain = this.#identities(auth, policyOf);
    this.authenticator = auth.certificateUsername === "none"
      ? chain
      : new CertificateIdentity(auth.certificateUsername, chain, { policyOf });
  }

  /** Reads what the configuration names.
   * @throws {Error} for a file that cannot be used: nobody is let in by half of the sources */
  static async open(auth: AuthConfig, options: AuthenticationChainOptions = {}): Promise<AuthenticationChain> {
    return new AuthenticationChain(auth, await usersOf(auth), options.policyOf ?? (() => ALLOW_ALL));
  }

  /** Reads files again, each by itself: one that cannot be used is told in the log and leaves what was. Clients whose user is not as
   * it was have to be ended then (`WeirBroker.endRevoked`). */
  async reload(): Promise<void> {
    if (this.#usersFile === undefined) return;
    const logger = getLogger(["weir"]);
    try {
      const users = await usersOf({ usersFile: this.#usersFile, scramUsers: [...this.#scramUsers.values()] });
      this.#passwords.replace(users);
      logger.info("the users file {path} has been read again: {count} user(s)", {
        path: this.#usersFile,
        count: users.size,
      });
    } catch (error) {
      logger.error("the users stay as they were, whoever was removed among them: {error}", { error });
    }
  }

  #identities({ allowAnonymous, certificateUsername }: AuthConfig, policyOf: PolicyOf): Authenticator {
    const hasSources = this.#usersFile !== undefined || this.#scramUsers.size > 0;
    if (allowAnonymous && !hasSources) return openTo(policyOf, { keepsName: certificateUsername === "none" });
    const passwords = this.#passwords;
    return new IdentityChain({ sources: [passwords], refuse: () => passwords.refuse(), allowAnonymous, policyOf });
  }
}

/** @throws {UsersFileError} also when somebody is in the configuration as well: who of the two is it? */
async function usersOf(
  { usersFile, scramUsers }: Pick<AuthConfig, "usersFile" | "scramUsers">,
): Promise<Map<string, UserEntry>> {
  if (usersFile === undefined) return new Map();
  const users = await readUsersFile(usersFile);
  const both = scramUsers.find(({ username }) => users.has(username));
  if (both === undefined) return users;
  const name = JSON.stringify(both.username);
  throw new UsersFileError(`Cannot use the users file ${usersFile}: ${name} is under auth.scram.users as well`);
}

/** Lets everybody in. Nobody has proven the name that is given, so no rule goes by it, and it is nobody's beside names that are. */
function openTo(policyOf: PolicyOf, { keepsName }: { keepsName: boolean }): Authenticator {
  return {
    authenticate: (credentials) => {
      const username = keepsName ? credentials.username : undefined;
      return { username, policy: policyOf(knownClient(credentials, undefined)) };
    },
  };
}

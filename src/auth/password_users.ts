import {
  ALLOW_ALL,
  type Authenticator,
  type Credentials,
  knownClient,
  type PolicyOf,
  type Verdict,
} from "./authenticator.ts";
import { BUSY, NAMELESS, WRONG } from "./identity.ts";
import { isScramPassword } from "./scram_credential.ts";
import { type FindCredential, ScramUsers } from "./scram_users.ts";
import { CHECKS_MAX, Turns } from "./turns.ts";

/** Lets in who knows the password of a user: the same credentials serve plain CONNECT, whose password crosses the wire, and SCRAM,
 * where it does not. With `allowAnonymous`, clients that give no name are let in too. */
export class PasswordUsers implements Authenticator {
  readonly #users: ScramUsers;
  readonly #allowAnonymous: boolean;
  readonly #policyOf: PolicyOf;
  readonly #checks = new Turns(CHECKS_MAX);

  /** Looks users up with `find`. */
  constructor(find: FindCredential, options: { allowAnonymous: boolean; policyOf?: PolicyOf }) {
    this.#users = new ScramUsers(find);
    this.#allowAnonymous = options.allowAnonymous;
    this.#policyOf = options.policyOf ?? (() => ALLOW_ALL);
  }

  /** Checks name and password; server-busy (0x89) while too many others are being checked. */
  async authenticate(credentials: Credentials): Promise<Verdict> {
    const { username, password } = credentials;
    if (username !== undefined) {
      const isRight = await this.#checks.run(async () => isScramPassword(password, await this.#users.find(username)));
      if (isRight === undefined) return BUSY;
      if (!isRight) return WRONG;
    } else if (!this.#allowAnonymous) return NAMELESS;
    return { username, policy: this.#policyOf(knownClient(credentials, username)) };
  }
}

import {
  ALLOW_ALL,
  type Authenticator,
  type Credentials,
  knownClient,
  type PolicyOf,
  type Verdict,
} from "./authenticator.ts";
import { WRONG } from "./identity.ts";
import { DEFAULT_ITERATIONS, isScramPassword } from "./scram_credential.ts";
import type { FindCredential } from "./scram_sha_256.ts";
import { CHECKS_MAX, Turns } from "./turns.ts";

/** Lets in who knows the password of a user: the same credentials serve plain CONNECT, whose password crosses the wire, and SCRAM,
 * where it does not. With `allowAnonymous`, clients that give no name are let in too. */
export class PasswordUsers implements Authenticator {
  readonly #find: FindCredential;
  readonly #allowAnonymous: boolean;
  readonly #policyOf: PolicyOf;
  /** Those of the last user found, so that one who does not exist takes as long. */
  #decoyIterations = DEFAULT_ITERATIONS;
  readonly #checks = new Turns(CHECKS_MAX);

  /** Looks users up with `find`. */
  constructor(find: FindCredential, options: { allowAnonymous: boolean; policyOf?: PolicyOf }) {
    this.#find = find;
    this.#allowAnonymous = options.allowAnonymous;
    this.#policyOf = options.policyOf ?? (() => ALLOW_ALL);
  }

  /** Checks name and password; server-busy (0x89) while too many others are being checked. */
  async authenticate(credentials: Credentials): Promise<Verdict> {
    const { username, password } = credentials;
    if (username === undefined) {
      if (this.#allowAnonymous) return { username, policy: this.#policyOf(knownClient(credentials, username)) };
      return { refusal: "not-authorized", reason: "A user name and password are asked for here" };
    }
    const isRight = await this.#checks.run(() => this.#isRight(username, password));
    if (isRight === undefined) return { refusal: "server-busy", reason: "Too many passwords are being checked" };
    return isRight ? { username, policy: this.#policyOf(knownClient(credentials, username)) } : WRONG;
  }

  async #isRight(username: string, password: Uint8Array | undefined): Promise<boolean> {
    const credential = await this.#find(username);
    if (credential !== undefined) this.#decoyIterations = credential.iterations;
    const known = credential ?? { salt: new Uint8Array(16), iterations: this.#decoyIterations, storedKey: undefined };
    return await isScramPassword(password, known);
  }
}

import {
  ALLOW_ALL,
  type Authenticator,
  type Credentials,
  knownClient,
  type PolicyOf,
  type Verdict,
} from "./authenticator.ts";
import { equalBytes } from "./bytes.ts";
import { DEFAULT_ITERATIONS, deriveScramCredential, type ScramCredential } from "./scram_credential.ts";
import type { FindCredential } from "./scram_sha_256.ts";

/** Passwords checked at a time, since each check keeps a core busy for some tenths of a second, and how many wait for their turn. */
const CHECKS_MAX = 4;
const WAITING_MAX = 1_000;

/** Lets in who knows the password of a user: the same credentials serve plain CONNECT, whose password crosses the wire, and SCRAM,
 * where it does not. With `allowAnonymous`, clients that give no name are let in too. */
export class PasswordUsers implements Authenticator {
  readonly #find: FindCredential;
  readonly #allowAnonymous: boolean;
  readonly #policyOf: PolicyOf;
  /** Those of the last user found, so that one who does not exist takes as long. */
  #decoyIterations = DEFAULT_ITERATIONS;
  #checks = 0;
  readonly #waiting: (() => void)[] = [];

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
    if (this.#checks >= CHECKS_MAX) {
      if (this.#waiting.length >= WAITING_MAX) {
        return { refusal: "server-busy", reason: "Too many passwords are being checked" };
      }
      await new Promise<void>((resolve) => this.#waiting.push(resolve)); // the place is handed over
    } else {
      this.#checks++;
    }
    try {
      const credential = await this.#find(username);
      if (credential !== undefined) this.#decoyIterations = credential.iterations;
      const known = credential ?? { salt: new Uint8Array(16), iterations: this.#decoyIterations, storedKey: undefined };
      const isRight = password !== undefined && await isPassword(password, known);
      if (isRight) return { username, policy: this.#policyOf(knownClient(credentials, username)) };
      return { refusal: "bad-user-name-or-password", reason: "User or password is wrong" };
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#checks--;
      else next();
    }
  }
}

/** What a password is held against; no key for a user that does not exist, which takes as long. */
type Known = Pick<ScramCredential, "salt" | "iterations"> & { readonly storedKey: Uint8Array | undefined };

async function isPassword(password: Uint8Array, { salt, iterations, storedKey }: Known): Promise<boolean> {
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(password);
    const derived = await deriveScramCredential(text, { salt, iterations });
    return storedKey !== undefined && equalBytes(derived.storedKey, storedKey);
  } catch (error) {
    if (error instanceof TypeError) return false; // not UTF-8, or characters that no password has
    throw error;
  }
}

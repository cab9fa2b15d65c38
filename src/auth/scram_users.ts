import { NO_KEY } from "./kept_password.ts";
import { DEFAULT_ITERATIONS, hmac, type ScramCredential } from "./scram_credential.ts";

/** Finds the credential of a user; undefined when there is no such user. */
export type FindCredential = (username: string) => ScramCredential | undefined | Promise<ScramCredential | undefined>;

/** How users who do not exist are answered: the same way after a restart, or they would give themselves away. */
export interface ScramDecoy {
  /** 32 random bytes that are kept, from which their salts come. */
  readonly secret: Uint8Array<ArrayBuffer>;
  /** What most users have. */
  readonly iterations: number;
  /** The length of most users' salts, up to 32; 16 when absent. */
  readonly saltBytes?: number;
}

/** A credential for every name. That of a user who does not exist fits no password and looks like the others: with a salt made up from the
 * secret, the same one each time. */
export class ScramUsers {
  readonly #find: FindCredential;
  readonly #decoy: Partial<ScramDecoy>;
  readonly #secret: Uint8Array<ArrayBuffer>;
  /** Of the last user found: a guess, for want of knowing. */
  #iterations = DEFAULT_ITERATIONS;

  constructor(find: FindCredential, decoy: Partial<ScramDecoy> = {}) {
    this.#find = find;
    this.#decoy = decoy;
    this.#secret = decoy.secret ?? crypto.getRandomValues(new Uint8Array(32));
  }

  async find(username: string): Promise<ScramCredential> {
    const found = await this.#find(username);
    if (found !== undefined) this.#iterations = found.iterations;
    const { iterations = this.#iterations, saltBytes = 16 } = this.#decoy;
    const salt = (await hmac(this.#secret, username)).slice(0, saltBytes); // for who exists, too: it takes a time of its own
    return found ?? { salt, iterations, storedKey: NO_KEY, serverKey: NO_KEY };
  }
}

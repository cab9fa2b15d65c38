import { createHmac, randomBytes } from "node:crypto";
import { equalBytes } from "./bytes.ts";

/** Users of whom a password is remembered; the one that was not used for longest makes room. */
const USERS_MAX = 10_000;

/** A user, and what was shown as the password. */
interface Shown<U> {
  readonly user: U;
  readonly password: Uint8Array | undefined;
}

/** Passwords that were found right, by what they come to with a key that is new at each start, so that who comes back or asks over HTTP
 * again and again costs no hash. A wrong one costs what it always does. */
export class ProvenPasswords<U extends object> {
  readonly #key = randomBytes(32);
  readonly #byName = new Map<string, { readonly user: U; readonly code: Uint8Array }>();

  /** Whether this is the password that `user` has shown before; a user that is another object has shown nothing yet. */
  has(name: string, { user, password }: Shown<U>): boolean {
    const known = this.#byName.get(name);
    if (known === undefined || known.user !== user || password === undefined) return false;
    if (!equalBytes(known.code, this.#codeOf(name, password))) return false;
    this.#byName.delete(name); // and behind all others again
    this.#byName.set(name, known);
    return true;
  }

  add(name: string, { user, password }: Shown<U>): void {
    if (password === undefined) return;
    this.#byName.delete(name);
    if (this.#byName.size >= USERS_MAX) this.#byName.delete(this.#byName.keys().next().value!);
    this.#byName.set(name, { user, code: this.#codeOf(name, password) });
  }

  /** Forgets everything. */
  clear(): void {
    this.#byName.clear();
  }

  #codeOf(name: string, password: Uint8Array): Uint8Array {
    return createHmac("sha256", this.#key).update(`${name.length} ${name}`).update(password).digest();
  }
}

import { createHmac, randomBytes } from "node:crypto";
import { BoundedMap } from "../core/bounded_map.ts";
import { equalBytes } from "./bytes.ts";
import type { KeptPassword } from "./kept_password.ts";

/** Users of whom a password is remembered; the one that was not used for longest makes room. */
const USERS_MAX = 10_000;

/** What was shown as a password, and what it was held against. */
interface Shown {
  readonly kept: KeptPassword;
  readonly password: Uint8Array | undefined;
}

/** Passwords that were found right, by what they come to with a key that is new at each start, so that who comes back or asks over HTTP
 * again and again costs no hash. A wrong one costs what it always does. */
export class ProvenPasswords {
  readonly #key = randomBytes(32);
  readonly #byName = new BoundedMap<string, { readonly kept: KeptPassword; readonly code: Uint8Array }>(USERS_MAX);

  /** Whether this password was found right before; by another object than `kept` nothing was yet. */
  has(name: string, { kept, password }: Shown): boolean {
    const known = this.#byName.get(name);
    if (known === undefined || known.kept !== kept || password === undefined) return false;
    if (!equalBytes(known.code, this.#codeOf(name, password))) return false;
    this.#byName.set(name, known); // behind all others again
    return true;
  }

  add(name: string, { kept, password }: Shown): void {
    if (password === undefined) return;
    this.#byName.set(name, { kept, code: this.#codeOf(name, password) });
  }

  /** Forgets everything. */
  clear(): void {
    this.#byName.clear();
  }

  #codeOf(name: string, password: Uint8Array): Uint8Array {
    return createHmac("sha256", this.#key).update(`${name.length} ${name}`).update(password).digest();
  }
}

import { createHmac, randomBytes } from "node:crypto";
import type { Admission, Credentials } from "../auth/authenticator.ts";

/** Guests remembered, and for how long. */
const ENTRIES_MAX = 10_000;
const ENTRY_MS = 60_000;

/** Someone who was let in not long ago. */
export interface KnownGuest {
  readonly clientId: string;
  readonly admission: Admission;
}

/** Who was let in not long ago and brings the same again: a door on which everybody shows a password with each request would else spend
 * its time on hashing. Only admissions that can be asked whether they still hold are kept, so that nobody who was shut out comes in by
 * it; and of what was brought nothing but a keyed hash is. */
export class AdmissionCache {
  readonly #key = randomBytes(32);
  readonly #entries = new Map<string, KnownGuest & { readonly until: number }>();

  /** What the same guest brings again has the same mark. The client id is the one that was brought, empty where there was none. */
  markOf(credentials: Credentials): string {
    const { clientId, username, password, remoteAddress, listener, certificate } = credentials;
    const parts = [clientId, username, password?.toBase64(), remoteAddress, listener, certificate?.fingerprint];
    return createHmac("sha256", this.#key).update(JSON.stringify(parts.map((part) => part ?? null))).digest("base64");
  }

  /** Undefined for who is not known, or not any more. */
  find(mark: string, now: number): KnownGuest | undefined {
    const entry = this.#entries.get(mark);
    if (entry === undefined) return undefined;
    const { admission, until } = entry;
    if (now < until && now < (admission.expiresAt ?? Infinity) && admission.holds!()) return entry;
    this.#entries.delete(mark);
    return undefined;
  }

  keep(mark: string, guest: KnownGuest, now: number): void {
    if (guest.admission.holds === undefined) return;
    if (this.#entries.size >= ENTRIES_MAX) this.#entries.delete(this.#entries.keys().next().value!); // the oldest
    this.#entries.delete(mark);
    this.#entries.set(mark, { ...guest, until: now + ENTRY_MS });
  }
}

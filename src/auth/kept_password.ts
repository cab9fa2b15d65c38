import { isScramPassword, type ScramCredential } from "./scram_credential.ts";
import { DEFAULT_COST, isPasswordOf, type ScryptHash } from "./scrypt_hash.ts";

/** What is kept of a password, in one form or the other. */
export type KeptPassword = ScryptHash | ScramCredential;

/** In the place of a key: no password comes to it. */
export const NO_KEY = new Uint8Array(32);

/** Whether `password` is the one. What cannot be a password costs as much as what is none. */
export function isPasswordFor(kept: KeptPassword, password: Uint8Array | undefined): Promise<boolean> {
  return "key" in kept ? isPasswordOf(kept, password) : isScramPassword(password, kept);
}

/** What no password fits, and costs as much to be held against as most of `others`. */
export function decoyAmong(others: readonly KeptPassword[]): KeptPassword {
  const most = mostOf(others, costOf) ?? { ...DEFAULT_COST, salt: new Uint8Array(16), key: NO_KEY };
  return "key" in most ? { ...most, key: NO_KEY } : { ...most, storedKey: NO_KEY, serverKey: NO_KEY };
}

function costOf(kept: KeptPassword): string {
  return "key" in kept ? `${kept.logN} ${kept.r} ${kept.p}` : `${kept.iterations}`;
}

/** The first of those that are most alike by `trait`; undefined when there are none. */
export function mostOf<T>(values: readonly T[], trait: (value: T) => unknown): T | undefined {
  const alike = [...Map.groupBy(values, trait).values()];
  return alike.reduce<readonly T[]>((most, group) => group.length > most.length ? group : most, [])[0];
}

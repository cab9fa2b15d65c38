import { createLocalJWKSet, errors, importSPKI, importX509, type JSONWebKeySet, type JWK } from "jose";
import { isMap } from "./json_map.ts";

/** A key as `jose` takes it: that of a signature, or for HS256 and its like the bytes of the secret. */
export type TokenKey = object;

/** What a token says of its signature, of which nothing is trusted. */
export interface TokenHeader {
  /** What it is signed by. */
  readonly alg?: string;
  /** Which key it is signed with. */
  readonly kid?: string;
}

/** The keys that tokens may be signed with. */
export interface TokenKeys {
  /** Those that may have signed a token with this header; only one, unless it names none of several.
   * @throws {errors.JOSEError} when there is none
   * @throws {KeysUnavailableError} when nobody can say */
  keysFor(header: TokenHeader): Promise<readonly TokenKey[]>;
}

/** The keys cannot be had now: it says nothing about the token. */
export class KeysUnavailableError extends Error {
  /** Tells it from other errors. */
  override readonly name = "KeysUnavailableError";
}

/** A file or a key set cannot be used; the message is for people and never has the key. */
export class TokenKeysError extends Error {
  /** Tells it from other errors. */
  override readonly name = "TokenKeysError";
}

/** Keys of one set, and those that are tried when a token names none of several. */
const KEYS_MAX = 100;
const TRIED_MAX = 4;

/** RFC 7518 section 3.2: a secret is as long as the hash at least. */
const SECRET_BYTES_MIN: Readonly<Record<string, number>> = { HS256: 32, HS384: 48, HS512: 64 };

/** Keys from the text of a file: a PEM public key or certificate, a JWK or a set of them, or, for HS256 and its like, the secret.
 * Every algorithm must have a key: what is pinned and cannot be is a mistake.
 * @throws {TokenKeysError} for anything else */
export async function readTokenKeys(text: string, algorithms: readonly string[]): Promise<TokenKeys> {
  const isSecret = algorithms.every((algorithm) => algorithm.startsWith("HS"));
  if (/^\s*\{/.test(text)) return keySet(parseJson(text), algorithms);
  if (text.includes("-----BEGIN")) {
    if (isSecret) throw new TokenKeysError("it is a public key, with which nobody signs by HS256: that takes a secret");
    return await PemKey.read(text, algorithms);
  }
  if (!isSecret) throw new TokenKeysError("expected a public key or certificate (PEM), a JWK or a set of them");
  const secret = new TextEncoder().encode(text.replace(/\r?\n$/, ""));
  assertSecret(secret, algorithms);
  return { keysFor: () => Promise.resolve([secret]) };
}

/** Keys from what is one JWK or a set of them. One of `algorithms` has to have a key at least.
 * @throws {TokenKeysError} for anything else */
export function keySet(found: unknown, algorithms: readonly string[]): TokenKeys {
  const keys = keysIn(found);
  const isSecret = algorithms.every((algorithm) => algorithm.startsWith("HS"));
  const usable = keys.filter(({ kty }) => (kty === "oct") === isSecret);
  if (usable.length === 0) throw new TokenKeysError(`it has no key for ${algorithms.join(", ")}`);
  if (usable.some((key) => !isSecret && ("d" in key || "k" in key))) {
    throw new TokenKeysError("it has a private key: the public one verifies");
  }
  return isSecret ? new SecretSet(usable, algorithms) : new PublicSet({ keys: usable });
}

function keysIn(found: unknown): readonly JWK[] {
  const keys = isMap(found) && Array.isArray(found.keys) ? found.keys : [found];
  if (keys.length > KEYS_MAX) throw new TokenKeysError(`it has more than ${KEYS_MAX} keys`);
  if (!keys.every((key) => isMap(key) && typeof key.kty === "string")) {
    throw new TokenKeysError("expected a JWK or a set of them");
  }
  return keys;
}

/** One public key, for each of the algorithms. */
class PemKey implements TokenKeys {
  readonly #byAlgorithm: ReadonlyMap<string, TokenKey>;

  private constructor(byAlgorithm: ReadonlyMap<string, TokenKey>) {
    this.#byAlgorithm = byAlgorithm;
  }

  static async read(pem: string, algorithms: readonly string[]): Promise<PemKey> {
    if (/PRIVATE KEY-----/.test(pem)) throw new TokenKeysError("it has a private key: the public one verifies");
    const isCertificate = pem.includes("-----BEGIN CERTIFICATE-----");
    const keys = new Map<string, TokenKey>();
    for (const algorithm of algorithms) {
      try {
        keys.set(algorithm, await (isCertificate ? importX509 : importSPKI)(pem, algorithm));
      } catch (cause) {
        throw new TokenKeysError(`its key is none for ${algorithm}`, { cause });
      }
    }
    return new PemKey(keys);
  }

  keysFor({ alg }: TokenHeader): Promise<readonly TokenKey[]> {
    const key = this.#byAlgorithm.get(alg ?? "");
    return key === undefined ? Promise.reject(new errors.JWKSNoMatchingKey()) : Promise.resolve([key]);
  }
}

/** Secrets that a token names by `kid`. */
class SecretSet implements TokenKeys {
  readonly #secrets: readonly { readonly kid?: string; readonly alg?: string; readonly secret: Uint8Array }[];

  constructor(keys: readonly JWK[], algorithms: readonly string[]) {
    this.#secrets = keys.map(({ kid, alg, k }) => {
      const secret = decoded(k);
      assertSecret(secret, alg === undefined ? algorithms : [alg]);
      return { kid, alg, secret };
    });
  }

  keysFor({ kid, alg }: TokenHeader): Promise<readonly TokenKey[]> {
    const found = this.#secrets.filter((each) => {
      return (kid === undefined || each.kid === kid) && (each.alg === undefined || each.alg === alg);
    });
    if (found.length === 0) return Promise.reject(new errors.JWKSNoMatchingKey());
    return Promise.resolve(found.slice(0, TRIED_MAX).map(({ secret }) => secret));
  }
}

class PublicSet implements TokenKeys {
  readonly #find: ReturnType<typeof createLocalJWKSet>;

  constructor(keys: JSONWebKeySet) {
    this.#find = createLocalJWKSet(keys);
  }

  async keysFor(header: TokenHeader): Promise<readonly TokenKey[]> {
    try {
      return [await this.#find({ ...header, alg: header.alg ?? "" })];
    } catch (error) {
      if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw error;
      const keys: TokenKey[] = [];
      for await (const key of error) if (keys.push(key) === TRIED_MAX) break;
      return keys;
    }
  }
}

function assertSecret(secret: Uint8Array, algorithms: readonly string[]): void {
  for (const algorithm of algorithms) {
    const bytes = SECRET_BYTES_MIN[algorithm] ?? 0;
    if (secret.length < bytes) {
      throw new TokenKeysError(`a secret for ${algorithm} has ${bytes} bytes at least (RFC 7518 section 3.2)`);
    }
  }
}

function decoded(text: string | undefined): Uint8Array {
  try {
    return Uint8Array.fromBase64(text ?? "", { alphabet: "base64url" });
  } catch {
    throw new TokenKeysError("it has a secret that is no base64url");
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new TokenKeysError("it is no JSON"); // the message of the parser would quote it
  }
}

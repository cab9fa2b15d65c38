import { equalBytes } from "./bytes.ts";

/** What a broker keeps of a password for SCRAM-SHA-256 (RFC 5802 section 3, RFC 7677): enough to verify it, not enough to know it or
 * to log in with it elsewhere. */
export interface ScramCredential {
  /** Random bytes that go into the hash. */
  readonly salt: Uint8Array<ArrayBuffer>;
  /** Rounds of PBKDF2; 4,096 at least. */
  readonly iterations: number;
  /** H(ClientKey), 32 bytes. */
  readonly storedKey: Uint8Array<ArrayBuffer>;
  /** 32 bytes. */
  readonly serverKey: Uint8Array<ArrayBuffer>;
}

/** How a credential is derived. */
export interface ScramCredentialOptions {
  /** Random unless given; 16 bytes. */
  readonly salt?: Uint8Array<ArrayBuffer>;
  /** {@link DEFAULT_ITERATIONS} unless given. */
  readonly iterations?: number;
}

/** Longer ones are not taken for a password. */
const PASSWORD_BYTES_MAX = 1024;

/** What RFC 7677 section 4 asks for at least. */
const ITERATIONS_MIN = 4096;

/** What OWASP asks for PBKDF2 with SHA-256; every login costs its client this many rounds. */
export const DEFAULT_ITERATIONS = 600_000;

/** Derives the credential of a password, some tenths of a second long at the default.
 * @throws {TypeError} for a password with characters that RFC 4013 prohibits, none, or more than 1,024 bytes
 * @throws {RangeError} for fewer iterations than RFC 7677 allows */
export async function deriveScramCredential(
  password: string,
  options: ScramCredentialOptions = {},
): Promise<ScramCredential> {
  const { salt = crypto.getRandomValues(new Uint8Array(16)), iterations = DEFAULT_ITERATIONS } = options;
  if (!(iterations >= ITERATIONS_MIN)) {
    throw new RangeError(`Cannot derive a credential with ${iterations} iterations: the minimum is ${ITERATIONS_MIN}`);
  }
  const saltedPassword = await pbkdf2(preparePassword(password), salt, iterations);
  const clientKey = await hmac(saltedPassword, "Client Key");
  const storedKey = new Uint8Array(await crypto.subtle.digest("SHA-256", clientKey));
  return { salt, iterations, storedKey, serverKey: await hmac(saltedPassword, "Server Key") };
}

/** Whether `password` is that of a credential. What cannot be a password is derived from like any other: it takes as long. */
export async function isScramPassword(password: Uint8Array | undefined, known: ScramCredential): Promise<boolean> {
  const text = readPassword(password);
  const { storedKey } = await deriveScramCredential(text ?? " ", known);
  return text !== undefined && equalBytes(storedKey, known.storedKey);
}

/** A password as it is hashed; undefined for what is none: not there, not UTF-8, too long, or with characters that none has. */
export function readPassword(password: Uint8Array | undefined): string | undefined {
  if (password === undefined) return undefined;
  try {
    return preparePassword(new TextDecoder("utf-8", { fatal: true }).decode(password));
  } catch (error) {
    if (error instanceof TypeError) return undefined;
    throw error;
  }
}

/** SASLprep (RFC 4013) without its rule for text in two directions: both sides must feed the same bytes to the hash, however a
 * keyboard composes an accent.
 * @throws {TypeError} for prohibited characters, none, or more than 1,024 bytes */
export function preparePassword(password: string): string {
  const bytes = new TextEncoder().encode(password).length;
  if (bytes > PASSWORD_BYTES_MAX) {
    throw new TypeError(`Cannot use a password of ${bytes} bytes: the maximum is ${PASSWORD_BYTES_MAX}`);
  }
  const prepared = password.replace(NON_ASCII_SPACE, " ").replace(MAPPED_TO_NOTHING, "").normalize("NFKC");
  if (prepared === "") throw new TypeError("Cannot use an empty password");
  if (PROHIBITED.test(prepared)) {
    throw new TypeError("Cannot use a password with control, private or unassigned characters");
  }
  return prepared;
}

const NON_ASCII_SPACE = /(?! )\p{Zs}/gu;
// RFC 3454 B.1; an alternation, since variation selectors and joiners may not stand in a class
const MAPPED_TO_NOTHING = /\u00ad|\u034f|\u1806|[\u180b-\u180d]|\u200b|\u200c|\u200d|\u2060|[\ufe00-\ufe0f]|\ufeff/gu;
const PROHIBITED =
  /[\p{Cc}\p{Co}\p{Cs}\p{Cn}]|[\u0340\u0341\u200e\u200f\u202a-\u202e\u206a-\u206f\ufff9-\ufffd\u2ff0-\u2ffb]|\u{e0001}|[\u{e0020}-\u{e007f}]/u;

async function pbkdf2(
  password: string,
  salt: Uint8Array<ArrayBuffer>,
  iterations: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const key = await crypto.subtle.importKey("raw", new TextEncoder().encode(password), "PBKDF2", false, ["deriveBits"]);
  return new Uint8Array(
    await crypto.subtle.deriveBits({ name: "PBKDF2", hash: "SHA-256", salt, iterations }, key, 256),
  );
}

/** HMAC with SHA-256 (RFC 2104), which all of SCRAM is made of. */
export async function hmac(keyBytes: Uint8Array<ArrayBuffer>, text: string): Promise<Uint8Array<ArrayBuffer>> {
  const key = await crypto.subtle.importKey("raw", keyBytes, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  return new Uint8Array(await crypto.subtle.sign("HMAC", key, new TextEncoder().encode(text)));
}

import { scrypt } from "node:crypto";
import { equalBytes, fromBase64 } from "./bytes.ts";
import { preparePassword, readPassword } from "./scram_credential.ts";

/** What makes a hash dear: memory is 128 * 2^logN * r bytes, time grows with p besides. */
export interface ScryptCost {
  /** The logarithm of N. */
  readonly logN: number;
  /** The size of a block. */
  readonly r: number;
  /** How often it is all done. */
  readonly p: number;
}

/** What is kept of a password (RFC 7914): it cannot be had back, and each guess costs. */
export interface ScryptHash extends ScryptCost {
  /** Random, of this password alone. */
  readonly salt: Uint8Array<ArrayBuffer>;
  /** What comes out, 32 bytes. */
  readonly key: Uint8Array<ArrayBuffer>;
}

/** What OWASP asks for with 32 MiB: some tenths of a second. */
export const DEFAULT_COST: ScryptCost = { logN: 15, r: 8, p: 3 };

/** Above it, one line of a file would take all memory, or a core for minutes. */
const MEMORY_BYTES_MAX = 256 * 1024 ** 2;
const LOG_N_MIN = 10;
const P_MAX = 16;
const R_MAX = 32;

/** Hashes a password with a salt of its own, on another thread.
 * @throws {TypeError} for a password with characters that RFC 4013 prohibits, none, or more than 1,024 bytes */
export async function hashPassword(password: string, cost: ScryptCost = DEFAULT_COST): Promise<ScryptHash> {
  const prepared = preparePassword(password);
  const salt = crypto.getRandomValues(new Uint8Array(16));
  return { ...cost, salt, key: await derive(prepared, { ...cost, salt }) };
}

/** Whether `password` is that of `hash`. What cannot be a password costs as much as what is none. */
export async function isPasswordOf(hash: ScryptHash, password: Uint8Array | undefined): Promise<boolean> {
  const prepared = readPassword(password);
  const key = await derive(prepared ?? " ", hash);
  return prepared !== undefined && equalBytes(key, hash.key);
}

/** Runs in the runtime's pool of threads: a hash that takes a second keeps nobody waiting but its client. */
function derive(
  password: string,
  { salt, logN, r, p }: ScryptCost & { salt: Uint8Array },
): Promise<Uint8Array<ArrayBuffer>> {
  const N = 2 ** logN;
  return new Promise((resolve, reject) => {
    scrypt(password, salt, 32, { N, r, p, maxmem: 2 * MEMORY_BYTES_MAX }, (error, key) => {
      if (error === null) resolve(new Uint8Array(key));
      else reject(error);
    });
  });
}

/** As PHC strings have it: `$scrypt$ln=15,r=8,p=3$<salt>$<key>`, in base64 without padding. */
export function formatHash({ logN, r, p, salt, key }: ScryptHash): string {
  return `$scrypt$ln=${logN},r=${r},p=${p}$${unpadded(salt)}$${unpadded(key)}`;
}

/** Undefined for what is no such hash, or would cost too little or too much. */
export function parseHash(text: string): ScryptHash | undefined {
  const match = /^\$scrypt\$ln=(\d{1,2}),r=(\d{1,2}),p=(\d{1,2})\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{43})$/.exec(
    text,
  );
  if (match === null) return undefined;
  const [logN, r, p] = match.slice(1, 4).map(Number);
  const [salt, key] = match.slice(4).map(fromBase64);
  if (salt === undefined || key === undefined) return undefined;
  const isInRange = logN >= LOG_N_MIN && r >= 1 && r <= R_MAX && p >= 1 && p <= P_MAX;
  return isInRange && 128 * 2 ** logN * r <= MEMORY_BYTES_MAX ? { logN, r, p, salt, key } : undefined;
}

function unpadded(bytes: Uint8Array): string {
  return bytes.toBase64({ omitPadding: true });
}

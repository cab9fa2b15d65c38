import type { ScramUser, StorageConfig } from "../config/config.ts";

const SECRET_BYTES = 32;
const NAME = "decoy.key";

/** The secret that makes up the salts of users who do not exist, the same after each restart: kept in the data folder, which is there
 * and ours. Without a folder it comes from what is secret of a user, which stays as long as that one's password does.
 * @throws {Error} when the file cannot be read or made */
export async function decoySecret(
  storage: StorageConfig,
  users: readonly ScramUser[],
): Promise<Uint8Array<ArrayBuffer>> {
  if (storage.type === "memory") return await derived(users);
  const path = `${storage.path}/${NAME}`;
  const kept = await Deno.readFile(path).catch((error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  });
  if (kept?.length === SECRET_BYTES) return kept;
  const made = crypto.getRandomValues(new Uint8Array(SECRET_BYTES));
  await Deno.writeFile(path, made, { mode: 0o600 });
  return made;
}

async function derived(users: readonly ScramUser[]): Promise<Uint8Array<ArrayBuffer>> {
  const [first] = users.toSorted((one, other) => one.username < other.username ? -1 : 1);
  const label = new TextEncoder().encode("weir: salts of users who do not exist");
  const secret = first?.serverKey ?? crypto.getRandomValues(new Uint8Array(SECRET_BYTES));
  const key = await crypto.subtle.importKey("raw", secret, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  return new Uint8Array(await crypto.subtle.sign("HMAC", key, label));
}

import { whyNotKept } from "../auth/users_file.ts";
import { whyUnreadable } from "../config/unreadable.ts";

/** Of keys, certificates, lists of those that were revoked, and secrets. A wrong path may lead to a device without an end, or to a log. */
const FILE_BYTES_MAX = 64 * 1024 ** 2;

/** A file that the configuration names cannot be used; the message is for people. */
export class NamedFileError extends Error {
  override readonly name = "NamedFileError";
}

/** The text of a file that the configuration names by `key`; a secret is to be kept from others.
 * @throws {NamedFileError} naming the key and the file, with what the system said as its cause */
export async function readNamedFile(key: string, path: string, options: { isSecret?: boolean } = {}): Promise<string> {
  try {
    const info = await Deno.stat(path);
    if (!info.isFile || info.size > FILE_BYTES_MAX) throw new Error("it is no plain file of up to 64 MiB");
    const why = options.isSecret ? whyNotKept(path, info) : undefined;
    if (why !== undefined) throw new Error(why);
    return await Deno.readTextFile(path);
  } catch (cause) {
    if (cause instanceof Deno.errors.NotCapable) throw cause; // the command line says which flag is missing
    throw new NamedFileError(`Cannot read ${key} ${path}: ${whyUnreadable(path, cause)}`, { cause });
  }
}

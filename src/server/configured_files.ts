/** The files that a configuration names. */
import { whyNotKept } from "../auth/users_file.ts";
import type { Config } from "../config/config.ts";
import { DATABASE_NAME } from "../store/sqlite/database_file.ts";
import { assertAuthenticationFiles } from "./authentication_chain.ts";
import { assertTlsFiles } from "./tls_files.ts";

/** What nobody but the owner and its group may do with a file that decides about others. */
const OTHERS_MAY_WRITE = 0o002;

/** Reads every file that a start would read besides the configuration, for those who only want to know whether it could.
 * @throws {Error} for one that cannot be used, or whose certificates are not good today */
export async function assertConfiguredFiles({ listeners, http, auth }: Config): Promise<void> {
  await assertAuthenticationFiles(auth);
  for (const door of [...listeners, http]) if (door !== null && door.tls !== null) await assertTlsFiles(door.tls);
}

/** Files of a configuration, and its data, that others on the machine could read or change and should not, a warning for each. Those that
 * only the broker's own programs write are refused instead (`auth.users_file` and the secrets of `auth`). */
export async function looseFiles({ listeners, http, auth, file, storage }: Config): Promise<string[]> {
  const keys = new Set([...listeners, http].map((door) => door?.tls?.keyFile));
  const folder = storage.type === "memory" ? undefined : storage.path;
  const found = await Promise.all([
    warning("the configuration", file, auth.scramUsers.length > 0 ? whyNotKept : whyOthersDecide), // credentials are secrets
    warning("auth.acl_file", auth.acl.file, whyOthersDecide),
    warning("the data folder", folder, whyNotKept),
    warning("the database", folder && `${folder}/${DATABASE_NAME}`, whyNotKept),
    ...[...keys].map((path) => warning("key_file", path, whyNotKept)),
  ]);
  return found.filter((each) => each !== undefined);
}

type Why = (path: string, info: Deno.FileInfo) => string | undefined;

/** What is not there, or cannot be looked at, is told elsewhere. */
async function warning(key: string, path: string | undefined, why: Why): Promise<string | undefined> {
  const info = path === undefined ? undefined : await Deno.stat(path).catch(() => undefined);
  const reason = info && why(path!, info);
  return reason && `${key} ${path}: ${reason}`;
}

function whyOthersDecide(path: string, { mode }: Pick<Deno.FileInfo, "mode">): string | undefined {
  if (mode === null || (mode & OTHERS_MAY_WRITE) === 0) return undefined;
  const shown = (mode & 0o777).toString(8).padStart(4, "0");
  return `its mode is ${shown}, and others could change it; chmod o-w ${path}`;
}

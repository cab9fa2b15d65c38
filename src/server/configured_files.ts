/** The files that a configuration names. */
import { whyNotKept } from "../auth/users_file.ts";
import type { Config } from "../config/config.ts";
import { assertAuthenticationFiles } from "./authentication_chain.ts";
import { assertTlsFiles } from "./tls_files.ts";

/** What nobody but the owner may do with a file that decides about others. */
const OTHERS_MAY_WRITE = 0o022;

/** Reads every file that a start would read besides the configuration, for those who only want to know whether it could.
 * @throws {Error} for one that cannot be used, or whose certificates are not good today */
export async function assertConfiguredFiles({ listeners, http, auth }: Config): Promise<void> {
  await assertAuthenticationFiles(auth);
  for (const door of [...listeners, http]) if (door !== null && door.tls !== null) await assertTlsFiles(door.tls);
}

/** Files of a configuration that others on the machine could read or change and should not, a warning for each. Those that only the
 * broker's own programs write are refused instead (`auth.users_file` and the secrets of `auth`). */
export async function looseFiles(
  { listeners, http, auth }: Pick<Config, "listeners" | "http" | "auth">,
): Promise<string[]> {
  const keys = [...listeners, http].map((door) => door?.tls?.keyFile).filter((path) => path !== undefined);
  const found = await Promise.all([
    ...[...new Set(keys)].map((path) => warning("key_file", path, whyNotKept)),
    ...auth.acl.file === undefined ? [] : [warning("auth.acl_file", auth.acl.file, whyOthersDecide)],
  ]);
  return found.filter((each) => each !== undefined);
}

type Why = (path: string, info: Pick<Deno.FileInfo, "mode">) => string | undefined;

/** A file that is not there is told elsewhere. */
async function warning(key: string, path: string, why: Why): Promise<string | undefined> {
  try {
    const reason = why(path, await Deno.stat(path));
    return reason && `${key} ${path}: ${reason}`;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.PermissionDenied) return undefined;
    throw error;
  }
}

function whyOthersDecide(path: string, { mode }: Pick<Deno.FileInfo, "mode">): string | undefined {
  if (mode === null || (mode & OTHERS_MAY_WRITE) === 0) return undefined;
  const shown = (mode & 0o777).toString(8).padStart(4, "0");
  return `its mode is ${shown}, and others could change what clients may do; chmod go-w ${path}`;
}

import { dirname, resolve } from "node:path";
import { formatUserList, parseUserList, type UserEntry, UserListError } from "./user_list.ts";

/** More is no users file. */
const FILE_BYTES_MAX = 64 * 1024 ** 2;

/** The group may read, others may do nothing. */
const MODE_FORBIDDEN = 0o026;

/** Why a file or folder with secrets is not kept well enough; undefined when it is, or the system has no modes. */
export function whyNotKept(
  path: string,
  { mode, isDirectory }: Pick<Deno.FileInfo, "mode" | "isDirectory">,
): string | undefined {
  if (mode === null || (mode & MODE_FORBIDDEN) === 0) return undefined;
  const shown = (mode & 0o777).toString(8).padStart(4, "0");
  return `its mode is ${shown}, and others could read or change it; chmod ${isDirectory ? 700 : 600} ${path}`;
}

/** The users file cannot be used; the message is for people. */
export class UsersFileError extends Error {
  /** Tells it from other errors. */
  override readonly name = "UsersFileError";
}

/** The users of a file.
 * @throws {UsersFileError} when it is missing, cannot be read, can be read by everybody, or is no users file */
export async function readUsersFile(path: string): Promise<Map<string, UserEntry>> {
  let file: Deno.FsFile;
  try {
    file = await Deno.open(path);
  } catch (cause) {
    if (cause instanceof Deno.errors.NotCapable) throw cause; // the command line says which flag is missing
    const why = cause instanceof Deno.errors.NotFound
      ? "there is no such file; weir user add NAME makes one"
      : messageOf(cause);
    throw new UsersFileError(`Cannot read the users file ${path}: ${why}`, { cause });
  }
  using opened = file;
  assertKept(path, await opened.stat());
  return parse(path, await readAll(path, opened));
}

/** Changes the users of a file by `change`, which may throw to leave everything as it is; the file is made when it is not there.
 * Others who change it at the same time have to wait, and whoever reads it sees all of a change or nothing.
 * @throws {UsersFileError} when it cannot be read or written, or is no users file */
export async function editUsersFile(path: string, change: (users: Map<string, UserEntry>) => void): Promise<void> {
  const target = await toWrite(path, () => targetOf(path)); // a link stays one
  using lock = await toWrite(path, () => openLock(target));
  await lock.lock(true); // goes with the process
  const before = await stat(target);
  const users = before === undefined ? new Map<string, UserEntry>() : await readUsersFile(target);
  change(users);
  await toWrite(path, () => replace(target, formatUserList(users.values()), before));
}

/** Where the file is or will be: behind the links that lead there, the last of which may lead to nothing yet. */
export async function targetOf(path: string): Promise<string> {
  const real = await Deno.realPath(path).catch(ignoreMissing);
  if (real !== undefined) return real;
  const info = await Deno.lstat(path).catch(ignoreMissing);
  if (info?.isSymlink !== true) return path;
  return await targetOf(resolve(await Deno.realPath(dirname(path)), await Deno.readLink(path)));
}

/** A step of writing the file; what the system says when it fails is told for people. */
async function toWrite<T>(path: string, step: () => Promise<T>): Promise<T> {
  try {
    return await step();
  } catch (cause) {
    if (cause instanceof Deno.errors.NotCapable) throw cause;
    throw new UsersFileError(`Cannot write the users file ${path}: ${messageOf(cause)}`, { cause });
  }
}

/** In a folder for us alone, as the data folder is. */
async function openLock(path: string): Promise<Deno.FsFile> {
  const folder = dirname(path);
  if (await stat(folder) === undefined) await Deno.mkdir(folder, { recursive: true, mode: 0o700 });
  return await Deno.open(`${path}.lock`, { create: true, write: true, mode: 0o600 });
}

/** Under another name first, on the disk whole before it gets its own. */
async function replace(path: string, text: string, before: Deno.FileInfo | undefined): Promise<void> {
  const draft = `${path}.new`;
  await Deno.remove(draft).catch(ignoreMissing); // of an edit that was cut short: we have the lock
  using file = await Deno.open(draft, { createNew: true, write: true, mode: 0o600 });
  if (before !== undefined) await keepOwner(draft, before);
  const bytes = new TextEncoder().encode(text);
  for (let written = 0; written < bytes.length;) written += await file.write(bytes.subarray(written));
  await file.sync();
  await Deno.rename(draft, path);
  await syncFolder(dirname(path)).catch(() => {}); // some systems cannot, Windows among them, and the file is there all the same
}

/** Or a power cut would bring back what the rename has replaced. */
async function syncFolder(path: string): Promise<void> {
  using folder = await Deno.open(path);
  await folder.sync();
}

/** An administrator who adds a user does not take the file away from the broker. */
async function keepOwner(draft: string, before: Deno.FileInfo): Promise<void> {
  const now = await Deno.stat(draft);
  if (before.uid !== now.uid || before.gid !== now.gid) await Deno.chown(draft, before.uid, before.gid);
  if (before.mode !== null && (before.mode & 0o040) !== 0) await Deno.chmod(draft, 0o640);
}

function assertKept(path: string, info: Deno.FileInfo): void {
  const { isFile, size } = info;
  if (!isFile) throw new UsersFileError(`Cannot read the users file ${path}: it is no plain file`);
  const why = whyNotKept(path, info);
  if (why !== undefined) throw new UsersFileError(`Cannot use the users file ${path}: ${why}`);
  if (size > FILE_BYTES_MAX) {
    throw new UsersFileError(`Cannot read the users file ${path}: it has more than ${FILE_BYTES_MAX} bytes`);
  }
}

async function readAll(path: string, file: Deno.FsFile): Promise<Uint8Array> {
  const { size } = await file.stat();
  const bytes = new Uint8Array(Math.min(size, FILE_BYTES_MAX) + 1);
  let length = 0;
  try {
    for (let read = await file.read(bytes); read !== null; read = await file.read(bytes.subarray(length))) {
      length += read;
      if (length === bytes.length) throw new Error("it has changed meanwhile");
    }
  } catch (cause) {
    throw new UsersFileError(`Cannot read the users file ${path}: ${messageOf(cause)}`, { cause });
  }
  return bytes.subarray(0, length);
}

function parse(path: string, bytes: Uint8Array): Map<string, UserEntry> {
  try {
    return parseUserList(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    if (cause instanceof UserListError) throw new UsersFileError(`Cannot use ${path}: ${cause.message}`, { cause });
    if (cause instanceof TypeError) throw new UsersFileError(`Cannot use ${path}: it is not UTF-8`, { cause });
    throw cause;
  }
}

async function stat(path: string): Promise<Deno.FileInfo | undefined> {
  try {
    return await Deno.stat(path);
  } catch (error) {
    return ignoreMissing(error);
  }
}

function ignoreMissing(error: unknown): undefined {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

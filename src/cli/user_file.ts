/** `weir user add|passwd|groups|disable|enable|remove|list`: the users file. */
import { dirname } from "node:path";
import { hashPassword } from "../auth/scrypt_hash.ts";
import { type UserEntry, whyNoGroup, whyNoUserName } from "../auth/user_list.ts";
import { editUsersFile, readUsersFile, targetOf } from "../auth/users_file.ts";
import { loadConfig } from "../config/load.ts";
import { quoted, visible, visibleJson } from "../core/text.ts";
import { UsageError } from "./arguments.ts";
import { CommandError, MESSAGE_CHARACTERS_MAX } from "./failure.ts";
import { type Host, sources } from "./host.ts";
import { tableLines } from "./table.ts";
import { readPassword } from "./user.ts";

/** What the commands about one user are told. */
export interface UserFileOptions {
  readonly path: string;
  readonly name: string;
}

/** The file that `--file` names, or else the configuration.
 * @throws {UsageError} when both are given
 * @throws {CommandError} when the configuration names none */
export function usersFile(options: ReadonlyMap<string, string>, host: Host): string {
  const file = options.get("file");
  const path = options.get("config");
  if (file !== undefined && path !== undefined) {
    throw new UsageError("--file and --config say the same: give one of them");
  }
  if (file !== undefined) return file;
  const configured = loadConfig({ ...sources(host), path }).auth.usersFile;
  if (configured !== undefined) return configured;
  const where = path ?? "the environment";
  throw new CommandError(`There is no users file: ${where} says nothing of auth.users_file. --file FILE names one`);
}

/** An edit reads and writes beside the file: what Deno does not allow of that is told before anything is asked, with all flags at once.
 * @throws {Deno.errors.NotCapable} */
export async function assertMayEdit(file: string): Promise<void> {
  const path = dirname(await targetOf(file).catch(() => file)); // one that may not be looked at is taken for no link
  for (const name of ["read", "write"] as const) {
    const { state } = await Deno.permissions.request({ name, path });
    if (state === "granted") continue;
    throw new Deno.errors.NotCapable(`Requires write access to "${path}", run again with the --allow-write flag`);
  }
}

/** Adds a user. Answers the exit code.
 * @throws {CommandError} when there is one of that name */
export async function runUserAdd(options: UserFileOptions & { groups?: string }, host: Host): Promise<number> {
  const { path, name } = options;
  assertName(name);
  const groups = parseGroups(options.groups);
  const hash = await askForHash(name, host);
  if (typeof hash === "number") return hash;
  await editUsersFile(path, (users) => {
    if (users.has(name)) {
      throw new CommandError(`Cannot add ${quoted(name)}: the user is there; weir user passwd gives another password`);
    }
    users.set(name, { name, hash, groups, isDisabled: false });
  });
  return done(host, `${quoted(name)} is in ${path}`);
}

/** Gives a user another password. Answers the exit code.
 * @throws {CommandError} when there is nobody of that name */
export async function runUserPasswd({ path, name }: UserFileOptions, host: Host): Promise<number> {
  userIn(await readUsersFile(path), name); // before anybody is asked for anything
  const hash = await askForHash(name, host);
  if (typeof hash === "number") return hash;
  await changeUser({ path, name }, (user) => ({ ...user, hash }));
  return done(host, `${quoted(name)} has another password`);
}

/** Says to which groups a user belongs. Answers the exit code.
 * @throws {CommandError} when there is nobody of that name */
export async function runUserGroups(options: UserFileOptions & { groups?: string }, host: Host): Promise<number> {
  const groups = parseGroups(options.groups);
  await changeUser(options, (user) => ({ ...user, groups }));
  return done(host, `${quoted(options.name)} belongs to ${groups.join(", ") || "no group"}`);
}

/** Disables a user or enables it. Answers the exit code.
 * @throws {CommandError} when there is nobody of that name */
export async function runUserSwitch(options: UserFileOptions & { isDisabled: boolean }, host: Host): Promise<number> {
  await changeUser(options, (user) => ({ ...user, isDisabled: options.isDisabled }));
  return done(host, `${quoted(options.name)} is ${options.isDisabled ? "disabled" : "enabled"}`);
}

/** Takes a user out. Answers the exit code.
 * @throws {CommandError} when there is nobody of that name */
export async function runUserRemove({ path, name }: UserFileOptions, host: Host): Promise<number> {
  userIn(await readUsersFile(path), name); // no file is made for it
  await editUsersFile(path, (users) => {
    userIn(users, name);
    users.delete(name);
  });
  return done(host, `${quoted(name)} is no longer in ${path}`);
}

/** Shows everybody. Answers the exit code. */
export async function runUserList({ path, isJson }: { path: string; isJson: boolean }, host: Host): Promise<number> {
  const users = [...(await readUsersFile(path)).values()];
  if (isJson) {
    const shown = users.map(({ name, groups, isDisabled }) => ({ name, groups, isDisabled }));
    host.print(visibleJson(JSON.stringify({ users: shown }, null, 2)));
    return 0;
  }
  if (users.length === 0) host.print("There is nobody in it.");
  else {
    const rows = users.map(({ name, groups, isDisabled }) => {
      return [name, groups.join(","), isDisabled ? "disabled" : ""];
    });
    for (const line of tableLines([{ heading: "user" }, { heading: "groups" }, { heading: "" }], rows)) {
      host.print(line);
    }
  }
  return 0;
}

async function changeUser({ path, name }: UserFileOptions, change: (user: UserEntry) => UserEntry): Promise<void> {
  userIn(await readUsersFile(path), name); // no file is made for it
  await editUsersFile(path, (users) => void users.set(name, change(userIn(users, name))));
}

/** @throws {CommandError} when there is nobody of that name */
function userIn(users: ReadonlyMap<string, UserEntry>, name: string): UserEntry {
  const user = users.get(name);
  if (user === undefined) throw new CommandError(`There is no user ${quoted(name)}: weir user list shows who there is`);
  return user;
}

/** The hash of the password that is asked for, or the exit code when there is none. */
async function askForHash(name: string, host: Host): Promise<UserEntry["hash"] | number> {
  const password = readPassword(name, host);
  if (typeof password !== "string") return password;
  try {
    return await hashPassword(password);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    host.complain(`weir: ${error.message}`);
    return 1;
  }
}

function assertName(name: string): void {
  const why = whyNoUserName(name);
  if (why !== undefined) throw new UsageError(`Cannot use ${quoted(name)} as NAME: ${why}`);
}

function parseGroups(text: string | undefined): string[] {
  if (text === undefined) return [];
  const groups = text.split(",");
  for (const group of groups) {
    const why = whyNoGroup(group);
    if (why !== undefined) throw new UsageError(`Cannot use ${quoted(group)} as a group: ${why}`);
  }
  return groups;
}

function done(host: Host, words: string): number {
  host.print(`${visible(words, MESSAGE_CHARACTERS_MAX)}. A running broker reads the file at SIGHUP.`);
  return 0;
}

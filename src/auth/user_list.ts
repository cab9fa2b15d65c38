import { visibleJson } from "../core/text.ts";
import { formatHash, parseHash, type ScryptHash } from "./scrypt_hash.ts";

/** A user as the users file has it. */
export interface UserEntry {
  /** Of 1 to 256 bytes, without control characters. */
  readonly name: string;
  /** What its password is held against. */
  readonly hash: ScryptHash;
  /** Those that it belongs to. */
  readonly groups: readonly string[];
  /** Kept, and not let in. */
  readonly isDisabled: boolean;
}

/** Tells a file that was cut to nothing from one without users. */
const HEADER = "weir-users 1";

const NAME_BYTES_MAX = 256;
const GROUPS_MAX = 64;

/** A users file is not one; the message names the line and never a hash. */
export class UserListError extends Error {
  /** Tells it from other errors. */
  override readonly name = "UserListError";
}

/** The users of a file by name, in the file's order: a first line `weir-users 1`, then a user each line: name, hash, and, where they
 * apply, `groups=a,b` and `disabled`. A name with blanks or quotes is written as in JSON. Lines that begin with `#` are comments.
 * @throws {UserListError} for anything else */
export function parseUserList(text: string): Map<string, UserEntry> {
  const lines = text.split(/\r?\n/);
  if (lines[0] !== HEADER) {
    throw new UserListError(`line 1: expected "${HEADER}": it is no users file, or it was cut`);
  }
  if (lines.pop() !== "") throw new UserListError(`line ${lines.length + 1}: it does not end: the file was cut`);
  const users = new Map<string, UserEntry>();
  for (const [index, line] of lines.entries()) {
    if (index === 0 || line.trim() === "" || line.startsWith("#")) continue;
    const user = parseLine(line, index + 1);
    if (users.has(user.name)) throw new UserListError(`line ${index + 1}: the user is already there: each once`);
    users.set(user.name, user);
  }
  return users;
}

/** The text of a file with these users. Comments are the file's own and lost. */
export function formatUserList(users: Iterable<UserEntry>): string {
  return [HEADER, ...[...users].map(formatUser), ""].join("\n");
}

/** Undefined when `name` can be a user's; else what is wrong. */
export function whyNoUserName(name: string): string | undefined {
  const bytes = new TextEncoder().encode(name).length;
  if (bytes >= 1 && bytes <= NAME_BYTES_MAX && name.isWellFormed() && !/\p{Cc}/u.test(name)) return undefined;
  return `a user name has 1 to ${NAME_BYTES_MAX} bytes and no control characters`;
}

/** Undefined when `group` can be the name of a group; else what is wrong. */
export function whyNoGroup(group: string): string | undefined {
  return /^[A-Za-z0-9_-]{1,64}$/.test(group) ? undefined : "a group has 1 to 64 letters, digits, - and _";
}

function parseLine(line: string, number: number): UserEntry {
  const match = /^("(?:[^"\\]|\\.)*"|[^\s"#]\S*)[ \t]+(\S+)((?:[ \t]+\S+)*)[ \t]*$/.exec(line);
  if (match === null) throw new UserListError(`line ${number}: expected a name and a hash`);
  const name = parseName(match[1]);
  const wrongName = name === undefined ? "the name is no JSON text" : whyNoUserName(name);
  if (name === undefined || wrongName !== undefined) throw new UserListError(`line ${number}: ${wrongName}`);
  const hash = parseHash(match[2]);
  if (hash === undefined) {
    throw new UserListError(
      `line ${number}: expected a hash such as "weir user add" makes, not a password or another kind`,
    );
  }
  let groups: readonly string[] | undefined;
  let isDisabled = false;
  for (const word of match[3].trim().split(/[ \t]+/).filter((word) => word !== "")) {
    if (word === "disabled" && !isDisabled) isDisabled = true;
    else if (word.startsWith("groups=") && groups === undefined) groups = parseGroups(word.slice(7), number);
    else throw new UserListError(`line ${number}: expected groups=... and disabled after the hash, each once`);
  }
  return { name, hash, groups: groups ?? [], isDisabled };
}

function parseGroups(text: string, number: number): readonly string[] {
  const groups = text.split(",");
  const wrong = groups.map(whyNoGroup).find((why) => why !== undefined);
  if (wrong !== undefined) throw new UserListError(`line ${number}: ${wrong}`);
  if (groups.length > GROUPS_MAX) throw new UserListError(`line ${number}: a user has ${GROUPS_MAX} groups at most`);
  return groups;
}

function parseName(word: string): string | undefined {
  if (!word.startsWith('"')) return word;
  try {
    return JSON.parse(word);
  } catch {
    return undefined; // the caller tells
  }
}

function formatUser({ name, hash, groups, isDisabled }: UserEntry): string {
  const isPlain = /^[^\s"#\p{Cc}\p{Cf}\p{Zs}][^\s\p{Cc}\p{Cf}\p{Zs}]*$/u.test(name);
  return [
    isPlain ? name : visibleJson(JSON.stringify(name)),
    formatHash(hash),
    ...(groups.length > 0 ? [`groups=${groups.join(",")}`] : []),
    ...(isDisabled ? ["disabled"] : []),
  ].join(" ");
}

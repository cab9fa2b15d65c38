/** What went wrong, in a line or two that say what to do. */
import { ConfigError } from "../config/problem.ts";
import { visible } from "../core/text.ts";

/** Of one message: the names of files in it may be long. */
export const MESSAGE_CHARACTERS_MAX = 4096;

/** A command cannot do what it was asked for; the message is for people. */
export class CommandError extends Error {
  override readonly name = "CommandError";
}

/** Ctrl-C at a question: the program ends as it would have at the signal, without a word. */
export class Interruption extends Error {
  override readonly name = "Interruption";
}

/** The names of errors whose message is for people. `DataFolderError` goes by its name, since the store is loaded when it is needed. */
const EXPLAINED: ReadonlySet<string> = new Set([
  "CommandError",
  "DataFolderError",
  "ListenError",
  "NamedFileError",
  "UsersFileError",
]);

/** The words for an error that ended a command; a defect of ours keeps its stack. */
export function explainFailure(error: unknown): string {
  if (error instanceof ConfigError) return explainConfigError(error);
  if (!(error instanceof Error)) return `weir: ${String(error)}`;
  const denied = causeOf(error, Deno.errors.NotCapable);
  if (denied !== undefined) return explainDenial(denied);
  if (EXPLAINED.has(error.name)) return `weir: ${visible(error.message, MESSAGE_CHARACTERS_MAX)}`;
  return `weir: ${error.stack ?? error.message}`;
}

/** The words for a listener that could not be opened, or undefined when that is not what happened. `wanted` are the addresses. */
export function explainListenFailure(error: unknown, wanted: readonly string[]): string | undefined {
  if (!(error instanceof Error) || error.name !== "ListenError") return undefined;
  const known = LISTEN_FAILURES.find(([kind]) => error.cause instanceof kind);
  if (known === undefined) return undefined;
  const address = wanted.find((address) => error.message.includes(address)) ?? wanted.join(" or ");
  return `weir: Cannot listen on ${address}: ${known[1]}`;
}

/** Why a broker had to stop: what happened and what that came from, on one line. */
export function whyStopped(error: unknown): string {
  const words: string[] = [];
  for (let at = error; at !== undefined && words.length < 4; at = at instanceof Error ? at.cause : undefined) {
    const message = at instanceof Error ? at.message : String(at);
    if (!words.some((word) => word.includes(message))) words.push(message);
  }
  return words.join(": ").replaceAll(/\s*\n\s*/g, " ");
}

const LISTEN_FAILURES: readonly (readonly [new () => Error, string])[] = [
  [Deno.errors.AddrInUse, "the address is in use. Is another broker running? --addr HOST:PORT takes another one"],
  [Deno.errors.AddrNotAvailable, "this machine has no such address"],
  [Deno.errors.PermissionDenied, "permission denied. Ports below 1024 are reserved: take another one, such as 1883"],
];

function explainConfigError({ problems, message }: ConfigError): string {
  const count = problems.length === 1 ? "There is a problem" : `There are ${problems.length} problems`;
  return `${message}\nweir: ${count} with the configuration; docs/configuration.md has every key`;
}

function explainDenial(error: Error): string {
  const what = error.message.replace(/, run again with the (--\S+) flag.*$/s, "");
  const flag = /with the (--\S+) flag/.exec(error.message)?.[1] ?? "--allow-net";
  const path = /access to "(.*)"$/.exec(what)?.[1];
  const flags = flag === "--allow-write" ? ["--allow-read", flag] : [flag]; // what is written is read, too
  return `weir: Deno did not allow it: ${what}.\n` +
    `weir: Run it with the permissions that deno.json lists, "deno run -P main.ts", or add ${
      flags.map((each) => flagFor(each, path)).join(" ")
    }`;
}

/** What `deno.json` grants by the flags that take files. */
const GRANTED: Readonly<Record<string, readonly string[] | undefined>> = {
  "--allow-read": ["config", "data", "src"],
  "--allow-write": ["data"],
};

/** The flag that grants `path` besides: it takes the place of the whole list. */
function flagFor(flag: string, path: string | undefined): string {
  const granted = GRANTED[flag];
  return granted === undefined || path === undefined ? flag : `${flag}=${[...new Set([...granted, path])].join(",")}`;
}

/** The error itself or one that it was caused by, when it is of that kind. */
function causeOf<E extends Error>(error: unknown, kind: new () => E): E | undefined {
  for (let at = error; at instanceof Error; at = at.cause) if (at instanceof kind) return at;
  return undefined;
}

/** `weir queue`: the durable queues of a running broker. */
import { visible, visibleJson } from "../core/text.ts";
import { AdminClient } from "./admin_client.ts";
import { type Invocation, UsageError } from "./arguments.ts";
import type { QueueCommandName } from "./command.ts";
import type { Host } from "./host.ts";
import { detailLines, letterLines, listLines } from "./queue_lines.ts";
import { counted } from "./table.ts";

const LIMIT = 100;

/** One command on its way: where it goes, and what it says. */
interface Job {
  /** `/queues/<name>` */
  readonly path: string;
  readonly queue: string;
  /** What follows the name. */
  readonly operands: readonly string[];
  readonly options: ReadonlyMap<string, string>;
  // deno-lint-ignore no-explicit-any -- what the broker answers, as its OpenAPI document has it
  call(method: AdminMethod, path: string, json?: unknown): Promise<any>;
  say(line: string): void;
  /** As it came with `--json`, for people otherwise. */
  show(answer: unknown, lines: (answer: never) => string[]): void;
  /** What went wrong, beside what did not: the exit code is 1 then. */
  complain(line: string): void;
}

type AdminMethod = Parameters<AdminClient["call"]>[0]["method"];

/** Does what the command says. Answers the exit code.
 * @throws {UsageError} for arguments that cannot be
 * @throws {CommandError} what the broker says */
export async function runQueue(
  name: QueueCommandName,
  { operands: [queue = "", ...operands], options }: Invocation,
  host: Host,
): Promise<number> {
  let code = 0;
  await COMMANDS[name]({
    path: `/queues/${encodeURIComponent(queue)}`,
    queue,
    operands,
    options,
    call: (method, path, json) => new AdminClient(options, host).call({ method, path, json }),
    say: (line) => host.print(visible(line, Infinity)),
    show: (answer, lines) => {
      const isJson = options.has("json");
      for (const line of isJson ? [visibleJson(JSON.stringify(answer, null, 2))] : lines(answer as never)) {
        host.print(line);
      }
    },
    complain: (line) => {
      code = 1;
      host.complain(`weir: ${visible(line, Infinity)}`);
    },
  });
  return code;
}

const COMMANDS: Readonly<Record<QueueCommandName, (job: Job) => Promise<void>>> = {
  "queue list": async ({ call, show }) => show(await call("GET", "/queues"), listLines),
  "queue show": async ({ call, show, path }) => show(await call("GET", path), detailLines),
  "queue create": async ({ call, say, path, queue, operands: [text = ""] }) => {
    await call("PUT", path, parseDefinition(text));
    say(`Made the queue ${queue}.`);
  },
  "queue change": async ({ call, say, path, queue, operands: [text] }) => {
    await call("PATCH", path, parseDefinition(text));
    say(`Changed the queue ${queue}.`);
  },
  "queue delete": async ({ call, say, path, queue }) => {
    await call("DELETE", path);
    say(`Deleted the queue ${queue}.`);
  },
  "queue purge": async ({ call, say, path }) => {
    const { purged } = await call("POST", `${path}/purge`);
    say(`Took ${counted(purged, "message")} away.`);
  },
  "queue seek": async ({ call, say, path, operands: [group, to], options }) => {
    const partition = numberOf("partition", options, { from: 0, to: 999 });
    await call("POST", `${path}/seek`, { group, to, partition });
    say(`Moved the group ${group} to ${to}${partition === undefined ? "" : ` in partition ${partition}`}.`);
  },
  "queue delete-group": async ({ call, say, path, operands: [group] }) => {
    await call("DELETE", `${path}/groups?group=${encodeURIComponent(group)}`);
    say(`Deleted the group ${group}.`);
  },
  "queue dead-letters": async ({ call, show, path, options }) => {
    const limit = numberOf("limit", options, { from: 1, to: 1_000 }) ?? LIMIT;
    const after = options.has("after") ? `&after=${encodeURIComponent(options.get("after")!)}` : "";
    show(await call("GET", `${path}/dead-letters?encoding=text&limit=${limit}${after}`), letterLines);
  },
  "queue replay": replay,
  "queue drop": async ({ call, say, path, operands: [ids], options }) => {
    const { messages = [] } = choice(ids, options);
    const query = messages.length === 0
      ? "all=true"
      : messages.map((id) => `message_id=${encodeURIComponent(id)}`).join("&");
    const { deleted } = await call("DELETE", `${path}/dead-letters?${query}`);
    say(`Deleted ${counted(deleted, "dead letter")}.`);
  },
};

async function replay({ call, say, complain, path, operands: [ids], options }: Job): Promise<void> {
  const json = { ...choice(ids, options), to_every_group: options.has("to-every-group") };
  const { replayed, refused, refusals } = await call("POST", `${path}/replay`, json);
  say(`Sent ${counted(replayed, "dead letter")} back.`);
  if (refused === 0) return;
  complain(`${counted(refused, "dead letter")} could not go back, and ${refused === 1 ? "stays" : "stay"}:`);
  for (const { message_id: id, reason } of refusals) complain(`  ${id}: ${reason}`);
}

/** `partitions=4,retry.max_retries=3` as a document.
 * @throws {UsageError} */
function parseDefinition(text: string): Record<string, unknown> {
  const document: Record<string, unknown> = Object.create(null);
  for (const part of text.split(",").filter((part) => part !== "")) {
    const [, group, name, value] = /^([a-z_]+)(?:\.([a-z_]+))?=(.*)$/s.exec(part) ?? [];
    if (group === undefined) throw new UsageError(`expected KEY=VALUE with commas between, found "${part}"`);
    const read = group === "topics" ? value.split(" ").filter((filter) => filter !== "") : valueOf(value);
    if (name === undefined) document[group] = read;
    else document[group] = { ...document[group] as object | undefined, [name]: read };
  }
  return document;
}

function valueOf(text: string): unknown {
  if (text === "true" || text === "false") return text === "true";
  return /^\d{1,15}(\.\d{1,15})?$/.test(text) ? Number(text) : text;
}

/** @throws {UsageError} unless it is either ids or all */
function choice(
  ids: string | undefined,
  options: ReadonlyMap<string, string>,
): { readonly messages?: string[]; readonly all?: true } {
  const isAll = options.has("all");
  if (isAll === (ids !== undefined)) throw new UsageError("name the dead letters by their ids, or say --all");
  return isAll ? { all: true } : { messages: ids!.split(",") };
}

/** @throws {UsageError} unless it is a whole number of that range */
function numberOf(
  name: string,
  options: ReadonlyMap<string, string>,
  { from, to }: { from: number; to: number },
): number | undefined {
  const text = options.get(name);
  if (text === undefined) return undefined;
  if (/^\d{1,4}$/.test(text) && Number(text) >= from && Number(text) <= to) return Number(text);
  throw new UsageError(`--${name} needs a whole number from ${from} to ${to}, found "${text}"`);
}

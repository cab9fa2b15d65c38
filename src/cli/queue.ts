/** `weir queue`: the durable queues of a running broker. */
import { visible, visibleJson } from "../core/text.ts";
import { AdminClient } from "./admin_client.ts";
import { type Invocation, UsageError } from "./arguments.ts";
import type { QueueCommandName } from "./command.ts";
import type { Host } from "./host.ts";
import { counted, formatBytes, tableLines } from "./table.ts";

/** What the broker answers, as far as it is shown. */
interface Amount {
  readonly count: number;
  readonly bytes: number;
}

interface QueueLine {
  readonly name: string;
  readonly type: string;
  readonly partitions: number;
  readonly waiting: Amount;
  readonly delayed: number;
  readonly dead_letters: number;
  readonly groups: readonly { name: string; unsettled: number }[];
}

interface QueueDetails {
  readonly name: string;
  readonly definition: Readonly<Record<string, unknown>>;
  readonly waiting: Amount;
  readonly stored: Amount;
  readonly delayed: Amount;
  readonly groups: readonly {
    name: string;
    filter: string;
    unsettled: number;
    in_flight: number;
    retrying: number;
    members: readonly { client_id: string }[];
  }[];
}

interface Letter {
  readonly message_id: string;
  readonly payload: string;
  readonly dead_letter: { cause: string; reason: string; group: string; delivery_count: number; moved_at: number };
}

const PAYLOAD_CHARACTERS_MAX = 40;
const LIMIT = 100;

/** Does what the command says. Answers the exit code.
 * @throws {UsageError} for arguments that cannot be
 * @throws {CommandError} what the broker says */
export async function runQueue(
  name: QueueCommandName,
  { operands: [queue = "", rest], options }: Invocation,
  host: Host,
): Promise<number> {
  const path = `/queues/${encodeURIComponent(queue)}`;
  const isJson = options.has("json");
  switch (name) {
    case "queue list":
      return show(await call({ method: "GET", path: "/queues" }), isJson, (answer) => listLines(answer as never));
    case "queue show":
      return show(await call({ method: "GET", path }), isJson, (answer) => detailLines(answer as never));
    case "queue create":
    case "queue change": {
      const method = name === "queue create" ? "PUT" : "PATCH";
      await call({ method, path, json: parseDefinition(rest ?? "") });
      return say(`${method === "PUT" ? "Made" : "Changed"} the queue ${queue}.`);
    }
    case "queue delete":
      await call({ method: "DELETE", path });
      return say(`Deleted the queue ${queue}.`);
    case "queue purge": {
      const { purged } = await call({ method: "POST", path: `${path}/purge` }) as { purged: number };
      return say(`Took ${counted(purged, "message")} away.`);
    }
    case "queue dead-letters": {
      const limit = parseLimit(options.get("limit"));
      const target = `${path}/dead-letters?encoding=text&limit=${limit}`;
      return show(await call({ method: "GET", path: target }), isJson, (answer) => letterLines(answer as never));
    }
    case "queue replay": {
      const which = choice(rest, options);
      const json = { ...which, to_every_group: options.has("to-every-group") };
      const { replayed } = await call({ method: "POST", path: `${path}/replay`, json }) as { replayed: number };
      return say(`Sent ${counted(replayed, "dead letter")} back.`);
    }
    case "queue drop": {
      const { messages = [] } = choice(rest, options);
      const query = messages.length === 0
        ? "all=true"
        : messages.map((id) => `message_id=${encodeURIComponent(id)}`).join("&");
      const { deleted } = await call({ method: "DELETE", path: `${path}/dead-letters?${query}` }) as {
        deleted: number;
      };
      return say(`Deleted ${counted(deleted, "dead letter")}.`);
    }
  }

  function call(what: Parameters<AdminClient["call"]>[0]): Promise<unknown> {
    return new AdminClient(options, host).call(what);
  }

  function say(line: string): number {
    host.print(visible(line, Infinity));
    return 0;
  }

  function show(answer: unknown, isJson: boolean, lines: (answer: unknown) => string[]): number {
    for (const line of isJson ? [visibleJson(JSON.stringify(answer, null, 2))] : lines(answer)) host.print(line);
    return 0;
  }
}

/** `partitions=4,retry.max_retries=3` as a document.
 * @throws {UsageError} */
export function parseDefinition(text: string): Record<string, unknown> {
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

function parseLimit(text = String(LIMIT)): number {
  if (/^\d{1,4}$/.test(text) && Number(text) >= 1 && Number(text) <= 1_000) return Number(text);
  throw new UsageError(`--limit needs a whole number from 1 to 1000, found "${text}"`);
}

function listLines({ queues }: { queues: readonly QueueLine[] }): string[] {
  if (queues.length === 0) return ["No queues."];
  const columns = [
    ...["QUEUE", "TYPE"].map((heading) => ({ heading })),
    ...["PARTITIONS", "WAITING", "BYTES", "DELAYED", "DEAD"].map((heading) => ({ heading, isNumber: true })),
    { heading: "GROUPS" },
  ];
  return tableLines(
    columns,
    queues.map(({ name, type, partitions, waiting, delayed, dead_letters: dead, groups }) => [
      ...[
        name,
        type,
        String(partitions),
        String(waiting.count),
        formatBytes(waiting.bytes),
        String(delayed),
        String(dead),
      ],
      groups.length === 0 ? "-" : groups.map(({ name, unsettled }) => `${name} (${unsettled})`).join(", "),
    ]),
  );
}

function detailLines({ name, definition, waiting, stored, delayed, groups }: QueueDetails): string[] {
  const amount = ({ count, bytes }: Amount) => `${counted(count, "message")}, ${formatBytes(bytes)}`;
  const facts = [
    `${visible(name)}: ${amount(waiting)} waiting; ${amount(stored)} stored; ${amount(delayed)} delayed`,
    ...keyLines(definition, ""),
  ];
  if (groups.length === 0) return [...facts, "No groups."];
  const columns = [
    ...["GROUP", "FILTER"].map((heading) => ({ heading })),
    ...["UNSETTLED", "HELD", "RETRYING"].map((heading) => ({ heading, isNumber: true })),
    { heading: "MEMBERS" },
  ];
  const rows = groups.map(({ name, filter, unsettled, in_flight: held, retrying, members }) => [
    ...[name, filter, String(unsettled), String(held), String(retrying)],
    members.length === 0 ? "-" : members.map(({ client_id: id }) => id).join(", "),
  ]);
  return [...facts, ...tableLines(columns, rows)];
}

function keyLines(document: Readonly<Record<string, unknown>>, prefix: string): string[] {
  return Object.entries(document).flatMap(([key, value]) => {
    const isGroup = typeof value === "object" && value !== null && !Array.isArray(value);
    if (isGroup) return keyLines(value as Record<string, unknown>, `${prefix}${key}.`);
    return [`  ${prefix}${key}: ${visible(Array.isArray(value) ? value.join(" ") || "-" : String(value), 1_000)}`];
  });
}

function letterLines({ messages, next }: { messages: readonly Letter[]; next?: string }): string[] {
  if (messages.length === 0) return ["No dead letters."];
  const columns = [
    ...["ID", "CAUSE", "REASON", "GROUP"].map((heading) => ({ heading })),
    { heading: "DELIVERIES", isNumber: true },
    ...["SINCE", "PAYLOAD"].map((heading) => ({ heading })),
  ];
  const rows = messages.map(({ message_id: id, payload, dead_letter: letter }) => [
    ...[id, letter.cause, letter.reason === "" ? "-" : letter.reason, letter.group, String(letter.delivery_count)],
    new Date(letter.moved_at).toISOString().replace(/\.\d+/, ""),
    payload.length > PAYLOAD_CHARACTERS_MAX ? `${payload.slice(0, PAYLOAD_CHARACTERS_MAX)}...` : payload,
  ]);
  return [...tableLines(columns, rows), ...next === undefined ? [] : ["... and more; --limit shows up to 1000"]];
}

/** What `weir queue` shows of the answers of a broker. */
import { visible } from "../core/text.ts";
import { counted, formatBytes, tableLines } from "./table.ts";

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

/** `GET /queues`, as far as it is shown. */
export function listLines({ queues }: { queues: readonly QueueLine[] }): string[] {
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

/** `GET /queues/{queue}`, as far as it is shown. */
export function detailLines({ name, definition, waiting, stored, delayed, groups }: QueueDetails): string[] {
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

/** `GET /queues/{queue}/dead-letters`, as far as it is shown. */
export function letterLines({ messages, next }: { messages: readonly Letter[]; next?: string }): string[] {
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
  return [...tableLines(columns, rows), ...next === undefined ? [] : [`... and more: --after '${visible(next)}'`]];
}

/** `weir inspect`: what a data folder holds, beside the broker or without it. */
import { NEVER_SECONDS } from "../core/session_table.ts";
import { visibleJson } from "../core/text.ts";
import { Inspection, type Overview, type SessionRow } from "../store/sqlite/inspection.ts";
import { UsageError } from "./arguments.ts";
import type { Host } from "./host.ts";
import { type Column, counted, formatBytes, tableLines } from "./table.ts";

export interface InspectOptions {
  readonly folder: string;
  /** One of {@link SECTIONS}; an overview without. */
  readonly section: string | undefined;
  readonly isJson: boolean;
  /** As typed. */
  readonly limit: string | undefined;
}

/** What can be listed. */
const SECTIONS = ["sessions", "queues", "retained", "durable"] as const;
type Section = typeof SECTIONS[number];

const LIMIT = 100;

/** Prints what was asked for. Answers the exit code.
 * @throws {UsageError} for another section or a limit that is no number */
export function runInspect({ folder, section, isJson, limit }: InspectOptions, host: Host): number {
  const name = section === undefined ? undefined : parseSection(section);
  const rows = limit === undefined ? LIMIT : parseLimit(limit);
  using inspection = Inspection.open(folder);
  if (name === undefined) {
    const overview = inspection.overview();
    if (isJson) host.print(visibleJson(JSON.stringify(overview, null, 2)));
    else for (const line of overviewLines(overview)) host.print(line);
    return 0;
  }
  const listing = list(inspection, name, rows === 0 ? -1 : rows);
  const { items, total } = listing;
  if (isJson) host.print(visibleJson(JSON.stringify({ total, [name]: items }, null, 2)));
  else for (const line of listingLines(listing)) host.print(line);
  return 0;
}

function parseSection(text: string): Section {
  const section = SECTIONS.find((section) => section === text);
  if (section === undefined) throw new UsageError(`inspect lists ${SECTIONS.join(", ")}, not "${text}"`);
  return section;
}

function parseLimit(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new UsageError(`--limit needs a whole number, 0 for all, found "${text}"`);
  return Number(text);
}

interface Listing {
  readonly total: number;
  readonly items: readonly object[];
  readonly noun: string;
  readonly columns: readonly Column[];
  readonly cells: readonly (readonly string[])[];
}

function list(inspection: Inspection, section: Section, limit: number): Listing {
  if (section === "sessions") return sessionListing(inspection, limit);
  if (section === "queues") return queueListing(inspection, limit);
  return section === "durable" ? durableListing(inspection, limit) : retainedListing(inspection, limit);
}

function sessionListing(inspection: Inspection, limit: number): Listing {
  const items = inspection.sessions(limit);
  return {
    total: inspection.overview().sessions,
    items,
    noun: "session",
    columns: [
      ...["CLIENT", "USER", "STATE", "EXPIRY"].map((heading) => ({ heading })),
      ...["SUBSCRIPTIONS", "WAITING", "INFLIGHT"].map((heading) => ({ heading, isNumber: true })),
    ],
    cells: items.map((row) => [
      row.clientId,
      row.username ?? "-",
      stateOf(row, inspection.isInUse),
      row.expirySeconds === NEVER_SECONDS ? "never" : `${row.expirySeconds} s`,
      ...[row.subscriptions, row.waiting, row.inflight].map(String),
    ]),
  };
}

/** Who was connected when the broker went down is offline since nobody knows when. */
function stateOf({ offlineSince }: SessionRow, isInUse: boolean): string {
  if (offlineSince === 0) return isInUse ? "online" : "offline";
  return `offline since ${new Date(offlineSince).toISOString().replace(/\.\d+/, "")}`;
}

function queueListing(inspection: Inspection, limit: number): Listing {
  const items = inspection.queues(limit);
  return {
    total: inspection.queueCount(),
    items,
    noun: "queue",
    columns: [{ heading: "CLIENT" }, { heading: "MESSAGES", isNumber: true }, { heading: "BYTES", isNumber: true }],
    cells: items.map(({ clientId, messages, bytes }) => [clientId, String(messages), formatBytes(bytes)]),
  };
}

function retainedListing(inspection: Inspection, limit: number): Listing {
  const items = inspection.retained(limit);
  return {
    total: inspection.overview().retained,
    items,
    noun: "retained message",
    columns: [{ heading: "TOPIC" }, { heading: "BYTES", isNumber: true }, { heading: "QOS", isNumber: true }],
    cells: items.map(({ topic, bytes, qos }) => [topic, formatBytes(bytes), String(qos)]),
  };
}

/** Durable queues; those called queues are what waits for sessions. */
function durableListing(inspection: Inspection, limit: number): Listing {
  const items = inspection.durable(limit);
  return {
    total: inspection.overview().durableQueues,
    items,
    noun: "durable queue",
    columns: [
      ...["QUEUE", "TYPE"].map((heading) => ({ heading })),
      ...["PARTITIONS", "MESSAGES", "BYTES", "DELAYED"].map((heading) => ({ heading, isNumber: true })),
      { heading: "GROUPS (LAG)" },
    ],
    cells: items.map(({ name, type, partitions, messages, bytes, delayed, groups }) => [
      ...[name, type, String(partitions), String(messages), formatBytes(bytes), String(delayed)],
      groups.length === 0 ? "-" : groups.map(({ name, lag }) => `${name} (${lag})`).join(", "),
    ]),
  };
}

function listingLines({ total, noun, columns, cells }: Listing): string[] {
  if (total === 0) return [`No ${noun}s.`];
  const more = total - cells.length;
  const rest = more > 0 ? [`... and ${more} more; --limit 0 shows all`] : [];
  return [...tableLines(columns, cells), ...rest];
}

function overviewLines(overview: Overview): string[] {
  const { path, bytes, isInUse, sessions, sessionsOnline, subscriptions, messagesWaiting, bytesWaiting } = overview;
  const { messagesInflight, retained, retainedBytes, wills, durableQueues } = overview;
  return [
    `${path}: ${formatBytes(bytes)}, ${isInUse ? "in use by a broker" : "no broker uses it"}`,
    `  sessions  ${sessions}, ${sessionsOnline} online, with ${counted(subscriptions, "subscription")} and ${
      counted(wills, "will")
    }`,
    `  queues    ${counted(messagesWaiting, "message")} waiting (${
      formatBytes(bytesWaiting)
    }), ${messagesInflight} inflight`,
    `  retained  ${counted(retained, "message")} (${formatBytes(retainedBytes)})`,
    `  durable   ${counted(durableQueues, "queue")}`,
  ];
}

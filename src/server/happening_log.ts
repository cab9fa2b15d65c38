import type { DropCause, Happening } from "../core/happening.ts";
import { LogLines } from "./log_lines.ts";
import { Summary } from "./summary.ts";
import type { WeirBroker } from "./weir_broker.ts";

/** Between two summaries of what comes in numbers. */
const SUMMARY_MS = 10_000;

/** Writes what comes to pass to the log, under `weir`: connections and sessions at info, the rest at debug. What anybody could make come
 * a million times, drops and refusals, is told at the first time and then summed up, or else one client could fill the disk with lines.
 * Where the log goes is the program's to configure; one that configures nothing hears nothing. Call the answer to end it. */
export function logHappenings(broker: WeirBroker): () => void {
  const lines = new LogLines();
  const drops = new Summary((count, facts) =>
    lines.write("warning", droppedWords(count, facts.cause as DropCause), { count, ...facts })
  );
  const refusals = new Summary((count, facts) => lines.write("info", refusedWords(count, facts), { count, ...facts }));
  const subscriptions = new Summary((count, facts) => {
    lines.write("info", `${several(count, "subscription")} ${NOT_SUBSCRIBED}`, { count, ...facts });
  });
  const bans = new Summary((count, facts) =>
    lines.write("warning", `${several(count, "address")} ${BANNED}`, { count, ...facts })
  );
  const queues = new Summary((count, { noun, words, ...facts }) => {
    lines.write("warning", `${several(count, `${noun}`)} ${words}`, { count, ...facts });
  });
  const tell = () => [drops, refusals, subscriptions, bans, queues].forEach((summary) => summary.tell());
  const timer = setInterval(tell, SUMMARY_MS);
  Deno.unrefTimer(timer);
  const unwatch = broker.watch((happening) => {
    switch (happening.kind) {
      case "client-connected":
        return lines.write("info", CONNECTED[happening.protocolVersion] ?? CAME, happening);
      case "client-disconnected":
        return lines.write("info", "client {clientId} disconnected: {cause}", happening);
      case "session-taken-over":
        return lines.write("info", "session {clientId} was taken over by a new connection", happening);
      case "message-dropped":
        return drops.add(`${happening.clientId} ${happening.cause}`, happening);
      case "subscription-refused":
        return subscriptions.add(`${happening.clientId} ${happening.cause}`, happening);
      case "store-full":
        return lines.write("error", "the storage is full: no more is kept", happening);
      case "store-has-room":
        return lines.write("warning", "the storage has room again", happening);
      case "connection-refused":
        return refusals.add(`${happening.remoteAddress} ${happening.listener} ${happening.cause}`, happening);
      case "queue-created":
        return lines.write("info", "the queue {queue} was made", happening);
      case "queue-changed":
        return lines.write("info", "the queue {queue} was changed", happening);
      case "queue-deleted":
        return lines.write("info", "the queue {queue} was deleted", happening);
      case "queue-purged":
        return lines.write("info", `the queue {queue} was purged of ${several(happening.count, "message")}`, happening);
      case "queue-message-dropped": {
        const words = happening.group === "" ? NOT_CAPTURED : QUEUE_DROPPED;
        const key = `drop ${happening.queue} ${happening.group} ${happening.cause}`;
        return queues.add(key, { noun: "message", words, ...happening });
      }
      case "message-dead-lettered":
        return queues.add(`letter ${happening.queue} ${happening.group}`, { ...DEAD_LETTERED, ...happening });
      case "dead-letters-full":
        return queues.add(`full ${happening.queue} ${happening.group}`, { ...DEAD_LETTERS_FULL, ...happening });
      case "address-banned":
        return bans.add("", happening);
      default:
        if (!lines.isEnabledFor("debug")) return;
        return lines.write("debug", `${happening.kind} {facts}`, { kind: happening.kind, facts: describe(happening) });
    }
  });
  return () => {
    clearInterval(timer);
    unwatch();
    tell();
  };
}

const CAME = "client {clientId} connected from {remoteAddress} by {listener}";
/** By protocol level, with its name among people; a guest speaks no MQTT. */
const CONNECTED: Readonly<Record<number, string>> = {
  3: `${CAME}, MQTT 3.1`,
  4: `${CAME}, MQTT 3.1.1`,
  5: `${CAME}, MQTT 5.0`,
};
const NOT_CAPTURED = "not copied into the queue {queue}: {cause}; the last one on {messageId}";
const QUEUE_DROPPED = "of the queue {queue} dropped for group {group}: {cause}; the last one {messageId}";
const DEAD_LETTERED = {
  noun: "message",
  words: "of the queue {queue} became dead letters of group {group}; the last one, {messageId}, was {cause}",
};
const DEAD_LETTERS_FULL = {
  noun: "time",
  words: "the dead letters of the queue {queue} had no room; the last message, {messageId}, is delivered again later",
};
const NOT_SUBSCRIBED = "of client {clientId} refused: {cause}; the last one to {filter}";
const BANNED = "banned; the last one, {remoteAddress}, for {seconds} s after {failures} logins that failed";

/** "{count} message", or "{count} messages". */
function several(count: number, noun: string): string {
  if (count === 1) return `{count} ${noun}`;
  return `{count} ${noun}${noun.endsWith("s") ? "es" : "s"}`;
}

function refusedWords(count: number, { clientId, listener }: Record<string, unknown>): string {
  const last = clientId === "" ? "" : count === 1 ? ", client {clientId}" : ", the last one client {clientId}";
  const by = listener === "" ? "" : " by {listener}";
  return `${several(count, "connection")} from {remoteAddress}${by} closed: {cause}, {reason}${last}`;
}

/** Some causes are the publisher's, the others the subscriber's. */
function droppedWords(count: number, cause: DropCause): string {
  const messages = several(count, "message");
  switch (cause) {
    case "not-authorized":
    case "refused":
    case "rate-exceeded":
      return `${messages} from client {clientId} not taken: {cause}; the last one on {topic}`;
    case "retained-limit":
      return `${messages} not retained: {cause}; the last one on {topic}`;
    case "queue-full":
    case "expired":
    case "client-congested":
    case "packet-too-large":
    case "session-ended":
      return `${messages} to client {clientId} dropped: {cause}; the last one on {topic}`;
  }
}

/** A message is told by its topic and size: payloads do not belong into logs. */
function describe({ kind: _, ...facts }: Happening): Record<string, unknown> {
  if (!("message" in facts)) return facts;
  const { message: { topic, payload }, ...others } = facts;
  return { ...others, topic: topic.name, bytes: payload.length };
}

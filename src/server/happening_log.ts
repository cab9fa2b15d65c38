import { getLogger } from "@logtape/logtape";
import type { DropCause, Happening } from "../core/happening.ts";
import { Summary } from "./summary.ts";
import type { WeirBroker } from "./weir_broker.ts";

/** Between two summaries of what comes in numbers. */
const SUMMARY_MS = 10_000;

/** Writes what comes to pass to the log, under `weir`: connections and sessions at info, the rest at debug. What anybody could make come
 * a million times, drops and refusals, is told at the first time and then summed up, or else one client could fill the disk with lines.
 * Where the log goes is the program's to configure; one that configures nothing hears nothing. Call the answer to end it. */
export function logHappenings(broker: WeirBroker): () => void {
  const logger = getLogger(["weir"]);
  const drops = new Summary((count, facts) => logger.warn(droppedWords(facts.cause as DropCause), { count, ...facts }));
  const refusals = new Summary((count, facts) => logger.info(REFUSED, { count, ...facts }));
  const bans = new Summary((count, facts) => logger.warn(BANNED, { count, ...facts }));
  const queues = new Summary((count, { words, ...facts }) => logger.warn(`${words}`, { count, ...facts }));
  const timer = setInterval(() => [drops, refusals, bans, queues].forEach((summary) => summary.tell()), SUMMARY_MS);
  Deno.unrefTimer(timer);
  const unwatch = broker.watch((happening) => {
    const { kind, ...facts } = happening;
    switch (happening.kind) {
      case "client-connected":
        return logger.info(CONNECTED, { kind, ...facts });
      case "client-disconnected":
        return logger.info("client {clientId} disconnected: {cause}", { kind, ...facts });
      case "session-taken-over":
        return logger.info("session {clientId} was taken over by a new connection", { kind, ...facts });
      case "message-dropped":
        return drops.add(`${happening.clientId} ${happening.cause}`, { kind, ...facts });
      case "store-full":
        return logger.error("the disk is full: what would have to be stored is refused (0x97)", { kind });
      case "store-has-room":
        return logger.warn("the disk has room again", { kind });
      case "connection-refused":
        return refusals.add(`${happening.remoteAddress} ${happening.cause}`, { kind, ...facts });
      case "queue-created":
        return logger.info("the queue {queue} was made", { kind, ...facts });
      case "queue-changed":
        return logger.info("the queue {queue} was changed", { kind, ...facts });
      case "queue-deleted":
        return logger.info("the queue {queue} was deleted", { kind, ...facts });
      case "queue-purged":
        return logger.info("the queue {queue} was purged of {count} message(s)", { kind, ...facts });
      case "queue-message-dropped": {
        const words = happening.group === "" ? NOT_CAPTURED : QUEUE_DROPPED;
        return queues.add(`drop ${happening.queue} ${happening.group} ${happening.cause}`, { kind, words, ...facts });
      }
      case "message-dead-lettered":
        return queues.add(`letter ${happening.queue} ${happening.group}`, { kind, words: DEAD_LETTERED, ...facts });
      case "dead-letters-full":
        return queues.add(`full ${happening.queue} ${happening.group}`, { kind, words: DEAD_LETTERS_FULL, ...facts });
      case "address-banned":
        return bans.add("", { kind, ...facts });
      default:
        return logger.debug(`${kind} {facts}`, { kind, facts: describe(happening) });
    }
  });
  return () => {
    clearInterval(timer);
    unwatch();
  };
}

const CONNECTED = "client {clientId} connected from {remoteAddress} by {listener}, protocol level {protocolVersion}";
const REFUSED =
  "{count} connection(s) from {remoteAddress} refused: {cause}; the last one of client {clientId}: {reason}";

const NOT_CAPTURED = "{count} message(s) not copied into the queue {queue}: {cause}; the last one on {messageId}";
const QUEUE_DROPPED =
  "{count} message(s) of the queue {queue} dropped for group {group}: {cause}; the last one {messageId}";
const DEAD_LETTERED =
  "{count} message(s) of the queue {queue} became dead letters of group {group}; the last one, {messageId}, was {cause}";
const DEAD_LETTERS_FULL =
  "{count} time(s) the dead letters of the queue {queue} had no room; the last message, {messageId}, is delivered again later";

const BANNED =
  "{count} address(es) banned; the last one, {remoteAddress}, for {seconds} s after {failures} logins that failed";

/** Some causes are the publisher's, the others the subscriber's. */
function droppedWords(cause: DropCause): string {
  switch (cause) {
    case "not-authorized":
    case "refused":
    case "rate-exceeded":
      return "{count} message(s) from client {clientId} not taken: {cause}; the last one on {topic}";
    case "retained-limit":
      return "{count} message(s) not retained: {cause}; the last one on {topic}";
    case "queue-full":
    case "expired":
    case "client-congested":
    case "packet-too-large":
    case "session-ended":
      return "{count} message(s) to client {clientId} dropped: {cause}; the last one on {topic}";
  }
}

/** A message is told by its topic and size: payloads do not belong into logs. */
function describe(happening: Happening): Record<string, unknown> {
  const { kind: _, ...facts } = happening;
  if (!("message" in happening)) return facts;
  const { message } = happening;
  return { ...facts, message: undefined, topic: message.topic.name, bytes: message.payload.length };
}

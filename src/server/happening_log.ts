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
  const timer = setInterval(() => [drops, refusals, bans].forEach((summary) => summary.tell()), SUMMARY_MS);
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

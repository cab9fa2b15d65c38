import { getLogger } from "@logtape/logtape";
import type { Happening } from "../core/happening.ts";
import type { WeirBroker } from "./weir_broker.ts";

/** Writes what comes to pass to the log, under `weir`: connections and sessions at info, the rest at debug, drops at warn. Where it goes
 * is the program's to configure; a program that configures nothing hears nothing. */
export function logHappenings(broker: WeirBroker): () => void {
  const logger = getLogger(["weir"]);
  return broker.watch((happening) => {
    const { kind, ...facts } = happening;
    switch (happening.kind) {
      case "client-connected":
        return logger.info("client {clientId} connected", { kind, ...facts });
      case "client-disconnected":
        return logger.info("client {clientId} disconnected: {cause}", { kind, ...facts });
      case "session-taken-over":
        return logger.info("session {clientId} was taken over by a new connection", { kind, ...facts });
      case "message-dropped":
        return logger.warn("message to {clientId} on {topic} dropped: {cause}", { kind, ...facts });
      default:
        return logger.debug(`${kind} {facts}`, { kind, facts: describe(happening) });
    }
  });
}

/** A message is told by its topic and size: payloads do not belong into logs. */
function describe(happening: Happening): Record<string, unknown> {
  const { kind: _, ...facts } = happening;
  if (!("message" in happening)) return facts;
  const { message } = happening;
  return { ...facts, message: undefined, topic: message.topic.name, bytes: message.payload.length };
}

import type { DropCause } from "./happening.ts";

/** Counts since the start, kept as plain numbers because they are touched for every message. */
export class Statistics {
  /** Messages that clients and the program published. */
  messagesPublished = 0;
  /** Deliveries handed to connections. */
  messagesDelivered = 0;
  messagesDropped = 0;
  readonly droppedByCause: Record<DropCause, number> = {
    "queue-full": 0,
    "expired": 0,
    "client-congested": 0,
    "packet-too-large": 0,
    "retained-limit": 0,
    "session-ended": 0,
    "not-authorized": 0,
    "refused": 0,
    "rate-exceeded": 0,
  };
  /** Subscriptions in place now. */
  subscriptions = 0;
  /** Sessions with a connection now. */
  clientsConnected = 0;
  clientsConnectedMax = 0;
  sessionsExpired = 0;
}

/** What a stored session's deliveries change on disk; of a session that is not stored nothing is written. */
import type { Delivery } from "./delivery.ts";
import type { Session } from "./session.ts";
import type { Turn } from "./turn.ts";

/** Gives the delivery its place among those that are stored. */
export function writeStored({ clientId, isStored }: Session, delivery: Delivery, turn: Turn): void {
  if (!isStored) return;
  delivery.sequence = turn.nextSequence();
  turn.effects.writes.push({
    kind: "delivery-stored",
    clientId,
    sequence: delivery.sequence,
    bodyId: turn.storedBody(delivery.isQueued ? delivery.message.emptied() : delivery.message),
    qos: delivery.qos,
    retain: delivery.retain,
    isReplay: delivery.isReplay,
    subscriptionIds: delivery.subscriptionIds,
    shared: delivery.group === null ? "" : delivery.group.filter,
    packetId: delivery.packetId,
    released: delivery.isQueued, // it is not sent again from here
  });
}

/** It has waited, and is under way with its packet id. */
export function writeSent({ clientId }: Session, { sequence, packetId }: Delivery, turn: Turn): void {
  if (sequence > 0) turn.effects.writes.push({ kind: "delivery-sent", clientId, sequence, packetId });
}

/** The client has it, and is only sent PUBREL again. */
export function writeReleased({ clientId }: Session, { sequence, isQueued }: Delivery, turn: Turn): void {
  if (sequence > 0 && !isQueued) turn.effects.writes.push({ kind: "delivery-released", clientId, sequence });
}

/** It has ended, however. */
export function writeDone({ clientId }: Session, { sequence }: Delivery, turn: Turn): void {
  if (sequence > 0) turn.effects.writes.push({ kind: "delivery-done", clientId, sequence });
}

/** What gives way where a session's queue is full. */
import type { Delivery } from "./delivery.ts";
import type { DeliveryQueue } from "./delivery_queue.ts";
import { writeDone } from "./delivery_writes.ts";
import type { Session } from "./session.ts";
import type { Turn } from "./turn.ts";

/** Makes room in the queue, within the limits; what has to give way is dropped. False when it is this delivery. Where the oldest are in
 * the store, they are asked for and give way when they come; the queue is longer than allowed for that moment, unless the store is full. */
export function makeRoom(session: Session, delivery: Delivery, turn: Turn): boolean {
  const { queuedMessagesMax, queuedBytesMax, queueOverflow } = turn.limits;
  const queue = session.queueOn(turn);
  const { size, topic } = delivery.message;
  const mayNotGrow = session.isStored ? turn.isStoreFull && turn.hasReserve : queue.isGreedy;
  const bytesMax = mayNotGrow ? Math.min(queue.bytes, queuedBytesMax) : queuedBytesMax;
  if (size > bytesMax || queuedMessagesMax === 0) { // nothing that could give way would be enough
    turn.drop(session.clientId, topic.name, "queue-full");
    return false;
  }
  while (queue.count >= queuedMessagesMax || queue.bytes + size > bytesMax) {
    if (queueOverflow === "drop-oldest" && evict(session, queue, turn)) continue;
    if (queueOverflow === "drop-oldest" && queue.isLoading && session.isStored && !mayNotGrow) return true;
    turn.drop(session.clientId, topic.name, "queue-full");
    return false;
  }
  return true;
}

/** What came while the oldest were on their way from the store makes them give way now. */
export function evictExcess(session: Session, queue: DeliveryQueue, turn: Turn): void {
  const { queuedMessagesMax, queuedBytesMax, queueOverflow } = turn.limits;
  if (queueOverflow !== "drop-oldest") return;
  while (queue.count > queuedMessagesMax || queue.bytes > queuedBytesMax) {
    if (!evict(session, queue, turn)) return;
  }
}

/** Drops the oldest in memory that counts, and asks for more; false when there is none. */
function evict(session: Session, queue: DeliveryQueue, turn: Turn): boolean {
  const evicted = queue.evictOldest();
  if (evicted !== undefined) {
    turn.drop(session.clientId, evicted.message.topic.name, "queue-full");
    writeDone(session, evicted, turn);
  }
  session.askForMore(turn);
  return evicted !== undefined;
}

import type { Delivery } from "./delivery.ts";
import { writeDone } from "./delivery_writes.ts";
import type { Session } from "./session.ts";
import type { Subscriptions } from "./subscriptions.ts";
import type { Turn } from "./turn.ts";

/** Hands on what a shared group had given to a session that cannot have it now: to members that are connected. */
export class HandOn {
  readonly #subscriptions: Subscriptions;

  constructor(subscriptions: Subscriptions) {
    this.#subscriptions = subscriptions;
  }

  /** Hands on what waits for a session, or all that it has not settled. */
  give(session: Session, which: "all" | "waiting" | "qos-1", turn: Turn): void {
    const taken = session.takeShared((delivery) => delivery.group!.hasConnected(session), which);
    for (const delivery of taken) this.#handOver(session, delivery, turn);
  }

  /** Hands on what the session of a client that has gone did not acknowledge, and asks for what only the store has. */
  absent(session: Session, turn: Turn): void {
    this.give(session, "qos-1", turn);
    this.asksForSpilled(session, turn);
  }

  /** Hands on what the client of the session may not have any more and others may. */
  denied(session: Session, turn: Turn): void {
    const isDenied = ({ message, group }: Delivery) => !session.mayReceive(message) && group!.hasConnected(session);
    for (const delivery of session.takeShared(isDenied, "qos-1")) this.#handOver(session, delivery, turn);
  }

  /** Hands on the next of the session's spilled deliveries, as they come from the store; the session may be back or have ended by
   * then. */
  spilled(session: Session, deliveries: readonly Delivery[], turn: Turn): void {
    const { queue } = session;
    if (queue === null) return;
    queue.isLoading = false;
    if (session.peer !== null) return session.pump(turn);
    let after = 0;
    for (const delivery of deliveries) {
      after = delivery.sequence;
      if (after <= queue.lastSequence || delivery.group?.hasConnected(session) !== true) continue;
      queue.takeSpilled(delivery);
      this.#handOver(session, delivery, turn);
    }
    if (after === 0 || queue.spilledShared === 0) return;
    queue.isLoading = true;
    turn.effects.handOns.push({ session, after });
  }

  /** Asks for what only the store has and others could have; false when there is none. */
  asksForSpilled(session: Session, turn: Turn): boolean {
    const { queue } = session;
    if (queue === null || queue.spilledShared === 0 || !this.#subscriptions.canHandOn(session)) return false;
    if (queue.isLoading) return true; // and handed on when it comes
    queue.isLoading = true;
    turn.effects.handOns.push({ session, after: queue.lastSequence });
    return true;
  }

  #handOver(from: Session, delivery: Delivery, turn: Turn): void {
    if (delivery.state === "waiting" && delivery.message.expiresAt <= turn.now) {
      turn.drop(from.clientId, delivery.message.topic.name, "expired");
      return writeDone(from, delivery, turn);
    }
    const member = delivery.group!.chooseConnected(from)!;
    member.session.offer(delivery.message.copy(), member, turn); // with a body of its own: the old one's goes with the old delivery
    writeDone(from, delivery, turn);
  }
}

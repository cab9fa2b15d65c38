import type { Broker } from "../core/broker.ts";
import { QUEUE_PAGE } from "../core/delivery_queue.ts";
import type { StoredPage } from "../core/mutation.ts";
import type { PageRequest, Store } from "../core/ports.ts";
import { deliveriesOf } from "../core/restore.ts";
import type { Session } from "../core/session.ts";
import type { Topic } from "../core/topic.ts";
import type { Turn } from "../core/turn.ts";

/** What is needed to read pages and to hand them on. */
export interface SessionPagesParts {
  readonly broker: Broker;
  readonly store: Store;
  readonly topicOf: (name: string) => Topic;
  /** Lets the core decide, then persists and speaks. */
  readonly decide: (decide: (turn: Turn) => void) => void;
  /** Resolves when everything decided so far is committed; undefined when it is. */
  readonly committed: () => Promise<void> | undefined;
  /** The store failed. */
  readonly onFailure: (error: unknown) => void;
}

/** Reads on in the queues of sessions that go on in the store. */
export class SessionPages {
  readonly #parts: SessionPagesParts;

  constructor(parts: SessionPagesParts) {
    this.#parts = parts;
  }

  /** Refills the queue of a session from the store. */
  refill(session: Session): void {
    const { broker, topicOf, decide, committed } = this.#parts;
    const { queue, clientId } = session;
    if (queue === null) return;
    this.#page({ clientId, after: queue.lastSequence, ...queue.pageSize }, (page) => {
      const waiting = page.deliveries.length === 0 ? committed() : undefined;
      if (waiting === undefined) decide((turn) => broker.refill(session, deliveriesOf(broker, page, topicOf), turn));
      else waiting.then(() => this.refill(session), () => {}); // the failure is told elsewhere
    });
  }

  /** Gives others what a shared group had given to a session and only the store has. */
  handOn(session: Session, after: number): void {
    const { broker, topicOf, decide } = this.#parts;
    this.#page({ clientId: session.clientId, after, ...QUEUE_PAGE, sharedOnly: true }, (page) => {
      decide((turn) => broker.handOn.spilled(session, deliveriesOf(broker, page, topicOf), turn));
    });
  }

  #page(request: PageRequest, use: (page: StoredPage) => void): void {
    const { store, onFailure } = this.#parts;
    Promise.try(() => store.page(request)).then(use).catch(onFailure);
  }
}

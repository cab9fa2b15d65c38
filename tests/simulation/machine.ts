// A broker with its disk, without a shell: decisions pile up, a commit writes and then speaks, a crash forgets what was not written.
import { Broker } from "../../src/core/broker.ts";
import { Effects, type Send } from "../../src/core/effects.ts";
import type { Limits } from "../../src/core/limits.ts";
import type { Mutation } from "../../src/core/mutation.ts";
import type { Peer, Store } from "../../src/core/ports.ts";
import { deliveriesOf, restore } from "../../src/core/restore.ts";
import type { Session } from "../../src/core/session.ts";
import { Turn } from "../../src/core/turn.ts";
import { topicOf } from "../core/building.ts";

/** A connection of the simulation: what is said lies in `inbox` until the client reads it. */
export class Link implements Peer {
  congested = false;
  readonly inbox: Send[] = [];
}

export class Machine {
  readonly broker: Broker;
  readonly turn: Turn;
  readonly #store: Store;
  #pending: Effects[] = [];

  private constructor(store: Store, limits: Limits, now: number) {
    this.#store = store;
    this.turn = new Turn(limits);
    this.turn.now = now;
    this.broker = new Broker(limits);
  }

  /** Starts from what the store has; what that leads to is committed. */
  static async start(store: Store, limits: Limits, now: number): Promise<Machine> {
    const machine = new Machine(store, limits, now);
    const state = await store.load();
    machine.decide(() => restore(machine.broker, { state, topicOf }, machine.turn));
    await machine.commit();
    return machine;
  }

  get isSettled(): boolean {
    return this.#pending.length === 0;
  }

  decide<T>(decide: (broker: Broker, turn: Turn) => T): T {
    const result = decide(this.broker, this.turn);
    if (!this.turn.effects.isEmpty || this.turn.effects.loads.length > 0) {
      this.#pending.push(this.turn.effects);
      this.turn.effects = new Effects();
    }
    return result;
  }

  /** Persists what was decided so far, in one transaction, and only then speaks. */
  async commit(): Promise<void> {
    const batch = await this.#persist();
    for (const effects of batch) {
      for (const send of effects.sends.slice(0, effects.length)) (send.peer as Link).inbox.push({ ...send });
      for (const session of effects.unfinished) this.decide((_, turn) => session.pump(turn));
      for (const session of effects.loads) await this.#load(session);
    }
  }

  /** The process dies between the commit and the first word, or, without `persisting`, before it. */
  async crash(options: { persisting: boolean }): Promise<void> {
    if (options.persisting) await this.#persist();
    this.#pending = [];
  }

  async #persist(): Promise<readonly Effects[]> {
    const batch = this.#pending;
    this.#pending = [];
    const writes: Mutation[] = batch.flatMap((effects) => effects.writes);
    if (writes.length > 0) await this.#store.commit(writes);
    return batch;
  }

  async #load(session: Session): Promise<void> {
    const { queue, clientId } = session;
    if (queue === null) return;
    const request = { clientId, after: queue.lastSequence, ...queue.pageSize };
    const page = await this.#store.page(request);
    if (page.deliveries.length === 0 && !this.isSettled) await this.commit().then(() => this.#load(session));
    else this.decide((broker, turn) => session.refill(deliveriesOf(broker, page, topicOf), turn));
  }
}

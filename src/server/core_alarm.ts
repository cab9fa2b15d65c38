import type { Broker } from "../core/broker.ts";
import type { Turn } from "../core/turn.ts";
import type { AlarmHandle, Clock } from "./clock.ts";

/** At the latest after so long the core is looked at again: the system's clock may have been set. */
const LOOK_MS = 1_000;

/** What the alarm is given to work with. */
export interface CoreAlarmParts {
  readonly broker: Broker;
  readonly clock: Clock;
  /** Lets the core decide, then persists and speaks. */
  readonly decide: (decide: (turn: Turn) => void) => void;
}

/** Rings when the core has something due: expiries, wills, retries and timeouts of queues. */
export class CoreAlarm {
  readonly #parts: CoreAlarmParts;
  #handle: AlarmHandle | undefined;
  /** When it rings, as a time of day. */
  #at = Infinity;

  constructor(parts: CoreAlarmParts) {
    this.#parts = parts;
  }

  /** To be called once the core has been restored. */
  start(): void {
    this.#set(this.#parts.clock.now() + LOOK_MS);
  }

  /** To be called after decisions: one may have brought something forward. */
  note(): void {
    if (this.#handle === undefined || this.#parts.broker.nextDeadline >= this.#at) return;
    const { clock } = this.#parts;
    clock.cancel(this.#handle);
    const now = clock.now();
    this.#set(now + this.#wait(now));
  }

  #set(at: number): void {
    const { clock } = this.#parts;
    this.#at = clock.timeOfDay(at);
    this.#handle = clock.set(at, { ring: (now) => this.#ring(now) });
  }

  #ring(now: number): number {
    const { broker, clock, decide } = this.#parts;
    this.#at = -Infinity; // nothing is earlier than now
    if (broker.nextDeadline <= clock.timeOfDay(now)) decide((turn) => broker.tick(turn));
    const at = now + this.#wait(now);
    this.#at = clock.timeOfDay(at);
    return at;
  }

  #wait(now: number): number {
    const { broker, clock } = this.#parts;
    return Math.min(Math.max(broker.nextDeadline - clock.timeOfDay(now), 0), LOOK_MS);
  }
}

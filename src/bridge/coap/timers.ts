import { type Deadline, Deadlines } from "../../core/deadlines.ts";

/** Called when something falls due. */
export type Due = (now: number) => void;

/** What is to be done later; who has the clock is told when to come back. */
export class Timers {
  readonly #deadlines = new Deadlines<Due>();
  readonly #onEarlier: () => void;

  /** `onEarlier` is called when {@link next} has come nearer. */
  constructor(onEarlier: () => void) {
    this.#onEarlier = onEarlier;
  }

  /** When {@link tick} is to be called; Infinity when nothing is due. */
  get next(): number {
    return this.#deadlines.next;
  }

  set(at: number, due: Due): Deadline<Due> {
    const isEarlier = at < this.#deadlines.next;
    const deadline = this.#deadlines.add(at, due);
    if (isEarlier) this.#onEarlier();
    return deadline;
  }

  /** Calls it off; too late does nothing. */
  cancel(deadline: Deadline<Due> | undefined): void {
    if (deadline !== undefined) this.#deadlines.cancel(deadline);
  }

  /** Does what is due. */
  tick(now: number): void {
    for (let due = this.#deadlines.take(now); due !== undefined; due = this.#deadlines.take(now)) due(now);
  }
}

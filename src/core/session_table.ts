import { type Deadline, Deadlines } from "./deadlines.ts";
import type { Session } from "./session.ts";

/** Session expiry or will delay that never comes. */
export const NEVER_SECONDS = 0xffff_ffff;

/** What falls due for a session that nobody is connected to. */
export interface SessionDeadline {
  readonly session: Session;
  readonly what: "expiry" | "will";
  /** Spilled deliveries that others could have had when its end was put off; absent when it was not. */
  readonly left?: number;
}

/** All sessions by client id, and when those without a connection expire or have their will published. */
export class SessionTable {
  readonly #sessions = new Map<string, Session>();
  readonly #deadlines = new Deadlines<SessionDeadline>();
  readonly #pending = new Map<Session, Deadline<SessionDeadline>[]>();

  get size(): number {
    return this.#sessions.size;
  }

  /** When the next expiry or will is due, in milliseconds; Infinity when none is. */
  get nextDeadline(): number {
    return this.#deadlines.next;
  }

  get(clientId: string): Session | undefined {
    return this.#sessions.get(clientId);
  }

  add(session: Session): void {
    this.#sessions.set(session.clientId, session);
  }

  delete(session: Session): void {
    this.cancel(session);
    if (this.#sessions.get(session.clientId) === session) this.#sessions.delete(session.clientId);
  }

  values(): IterableIterator<Session> {
    return this.#sessions.values();
  }

  schedule(deadline: SessionDeadline, at: number): void {
    const pending = this.#pending.get(deadline.session);
    const entry = this.#deadlines.add(at, deadline);
    if (pending === undefined) this.#pending.set(deadline.session, [entry]);
    else pending.push(entry);
  }

  /** Calls off whatever is due for the session. */
  cancel(session: Session): void {
    for (const deadline of this.#pending.get(session) ?? []) this.#deadlines.cancel(deadline);
    this.#pending.delete(session);
  }

  /** The earliest thing that is due at `now`; undefined when none is. */
  takeDue(now: number): SessionDeadline | undefined {
    return this.#deadlines.take(now);
  }
}

import { type Deadline, Deadlines } from "../core/deadlines.ts";

/** Something that wants to be looked at when its time comes. */
export interface Alarm {
  /** Called at or after the time; answers when it wants to be called again, in milliseconds, or Infinity. */
  ring(now: number): number;
}

/** Timers closer than this are served together. */
const RESOLUTION_MS = 10;

/** One timer for everything that falls due in the shell: keep-alives, deadlines of CONNECT and of writes, what the core waits for. */
export class Clock {
  readonly #alarms = new Deadlines<Alarm>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #armedFor = Infinity;
  #isStopped = false;

  /** The time in milliseconds since 1970. */
  now(): number {
    return Date.now();
  }

  set(at: number, alarm: Alarm): Deadline<Alarm> {
    const deadline = this.#alarms.add(at, alarm);
    this.#arm();
    return deadline;
  }

  cancel(deadline: Deadline<Alarm>): void {
    this.#alarms.cancel(deadline);
  }

  /** Nothing rings any more. */
  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
  }

  #arm(): void {
    const next = this.#alarms.next;
    if (this.#isStopped || next >= this.#armedFor) return;
    clearTimeout(this.#timer);
    this.#armedFor = next;
    const wait = Math.max(RESOLUTION_MS, next - this.now());
    this.#timer = setTimeout(() => this.#ring(), Math.min(wait, 0x7fff_ffff));
  }

  #ring(): void {
    this.#armedFor = Infinity;
    const now = this.now();
    for (let alarm = this.#alarms.take(now); alarm !== undefined; alarm = this.#alarms.take(now)) {
      const again = alarm.ring(now);
      if (again !== Infinity) this.#alarms.add(Math.max(again, now + 1), alarm);
    }
    this.#arm();
  }
}

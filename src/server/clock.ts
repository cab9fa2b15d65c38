import { type Deadline, Deadlines } from "../core/deadlines.ts";

/** Something that wants to be looked at when its time comes. */
export interface Alarm {
  /** Called at or after the time, with the clock's {@link Clock.now}; answers when it wants to be called again, or Infinity. */
  ring(now: number): number;
}

/** An alarm that was set; rings again and again until its alarm answers Infinity or it is cancelled. */
export type AlarmHandle = Deadline<Alarm>;

/** Timers closer than this are served together. */
const RESOLUTION_MS = 10;
/** What rings again later than in so long does not mind half a second: ten thousand idle connections are looked at together then, twice a
 * second, and do not wake the process a hundred times. */
const FAR_MS = 5_000;
const FAR_RESOLUTION_MS = 500;
/** Spent on them in one go: of ten thousand keep-alives that run out at once, the others wait for the next. */
const RINGING_MS_MAX = 5;

/** One timer for everything that falls due in the shell: keep-alives, deadlines of CONNECT and of writes, what the core waits for. It
 * counts milliseconds that never jump, since nobody's silence grows by an hour when the system's clock is set; expiries, which are to
 * outlive the process, go by the time of day ({@link Clock.timeOfDay}). */
export class Clock {
  /** What {@link now} said last: near enough for what takes seconds. */
  recent = 0;
  /** Between the two counts; looked at each time the clock rings, so that it costs nothing for each chunk. */
  #offset = Date.now() - Math.floor(performance.now());
  readonly #alarms = new Deadlines<Alarm>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #armedFor = Infinity;
  #isStopped = false;

  /** Whole milliseconds since the process started. */
  now(): number {
    return this.recent = Math.floor(performance.now());
  }

  /** The time in milliseconds since 1970, now or at `at`. Follows a step of the system's clock within a second. */
  timeOfDay(at: number = this.now()): number {
    return at + this.#offset;
  }

  set(at: number, alarm: Alarm): AlarmHandle {
    const handle = this.#alarms.add(at, alarm);
    this.#arm();
    return handle;
  }

  cancel(handle: AlarmHandle): void {
    this.#alarms.cancel(handle);
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
    const offset = Date.now() - now;
    // Their milliseconds begin at different moments, so this is one of two numbers: what has run out by one is to have by the other.
    if (Math.abs(offset - this.#offset) > 1) this.#offset = offset;
    while (performance.now() - now < RINGING_MS_MAX) {
      const handle = this.#alarms.takeDeadline(now);
      if (handle === undefined) break;
      const again = handle.item.ring(now);
      if (again !== Infinity) this.#alarms.again(handle, later(again, now));
    }
    this.#arm();
  }
}

/** When an alarm rings that wants to at `at`. */
function later(at: number, now: number): number {
  return at - now > FAR_MS ? Math.ceil(at / FAR_RESOLUTION_MS) * FAR_RESOLUTION_MS : Math.max(at, now + 1);
}

import type { AlarmHandle, Clock } from "./clock.ts";

/** How long a peer may take to read our last words, and how much it may still send meanwhile. */
export const LINGER_MS = 2_000;
const LINGER_BYTES_MAX = 1024 * 1024;

/** The time between the last word to a peer and the end of its connection: closing with unread input would reset it and take the last
 * word with it, so what still comes is read and forgotten. */
export class Farewell {
  #bytes = 0;
  #alarm: AlarmHandle | undefined;

  /** Whether {@link begin} has been called. */
  get hasBegun(): boolean {
    return this.#alarm !== undefined;
  }

  /** Counts what still comes; false when it is too much. */
  takes(bytes: number): boolean {
    this.#bytes += bytes;
    return this.#bytes <= LINGER_BYTES_MAX;
  }

  /** The last word is written: calls `onEnd` when the peer has had its time to read it. */
  begin(clock: Clock, onEnd: () => void): void {
    const ring = () => {
      onEnd();
      return Infinity;
    };
    this.#alarm = clock.set(clock.now() + LINGER_MS, { ring });
  }

  /** The connection has ended by itself. */
  end(clock: Clock): void {
    if (this.#alarm !== undefined) clock.cancel(this.#alarm);
  }
}

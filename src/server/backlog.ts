/** Bytes that all peers together may leave untaken: ten thousand that have stopped reading, each within its own bound, would be 10 GiB. */
const BACKLOG_BYTES_MAX = 256 * 1024 * 1024;
/** What one may always leave. */
const SHARE_BYTES = 64 * 1024;

/** What waits for sockets behind writes that are not taken, over all connections of a broker. */
export class Backlog {
  #bytes = 0;

  get bytes(): number {
    return this.#bytes;
  }

  /** A connection has so much waiting that had `before`; whether that is too much of too much. */
  isTooMuch(waiting: number, before: number): boolean {
    this.#bytes += waiting - before;
    return this.#bytes > BACKLOG_BYTES_MAX && waiting > SHARE_BYTES;
  }
}

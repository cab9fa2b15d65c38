import { setImmediate } from "node:timers";

/** Writes that are begun in a turn of the event loop. tokio serves 128 socket operations in a turn and puts the others off, whoever has
 * waited longest last: of a fan-out to 1,000 subscribers some got theirs 90 messages later than others, and an operation that is put off
 * costs as much again as one that is not (docs/performance.md). Below the 128 nobody is put off. */
const TURN_WRITES_MAX = 100;

/** Someone that wants to write. */
export interface Writer {
  writeNow(bytes: Uint8Array): void;
}

/** Lets every connection of a process write in its turn: up to 100 are begun at once, the others in the order in which they asked, a
 * hundred in each turn of the event loop. Who waits gathers what comes meanwhile, and writes it at once. */
export class WriteRounds {
  /** Begun in this turn and not done: what a peer does not take counts for one turn only. */
  #begun = 0;
  readonly #writers: Writer[] = [];
  readonly #bytes: Uint8Array[] = [];
  #next = 0;

  write(writer: Writer, bytes: Uint8Array): void {
    if (this.#begun < TURN_WRITES_MAX) {
      this.#begun++;
      return writer.writeNow(bytes);
    }
    if (this.#writers.length === 0) setImmediate(this.#turn);
    this.#writers.push(writer);
    this.#bytes.push(bytes);
  }

  /** A write is done, or has failed. */
  done(): void {
    if (this.#begun > 0 && this.#writers.length === 0) this.#begun--;
  }

  readonly #turn = (): void => {
    const start = this.#next;
    const end = Math.min(start + TURN_WRITES_MAX, this.#writers.length);
    while (this.#next < end) {
      this.#writers[this.#next].writeNow(this.#bytes[this.#next]);
      this.#next++;
    }
    if (end < this.#writers.length) {
      setImmediate(this.#turn);
      return;
    }
    this.#writers.length = this.#bytes.length = this.#next = 0;
    this.#begun = end - start;
  };
}

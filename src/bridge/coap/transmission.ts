/** When a confirmable message is sent again (RFC 7252 section 4.2). */

const ACK_TIMEOUT_MS = 2_000;
const ACK_RANDOM_FACTOR = 1.5;
/** Sent once and then this often again; after another wait it is given up. */
const RETRANSMISSIONS_MAX = 4;

/** From the first transmission of a message until its id may be used again (RFC 7252 section 4.8.2). */
export const EXCHANGE_LIFETIME_MS = 247_000;

/** How a confirmable message of ours ended. */
export type Outcome = "acknowledged" | "reset" | "timeout";

/** A confirmable message of ours from the first transmission until it is acknowledged, rejected or given up. */
export class Transmission {
  readonly messageId: number;
  readonly bytes: Uint8Array;
  /** True for the Empty message that provokes a reset: any answer is the one that was wanted. */
  readonly isPing: boolean;
  readonly onOutcome: (outcome: Outcome, now: number) => void;
  #timeoutMs = 0;
  #sent = 0;

  constructor(parts: Pick<Transmission, "messageId" | "bytes" | "isPing" | "onOutcome">) {
    ({ messageId: this.messageId, bytes: this.bytes, isPing: this.isPing, onOutcome: this.onOutcome } = parts);
  }

  /** Counts one transmission; answers how long to wait for an answer, or undefined when there is no more to be sent. */
  next(random: () => number): number | undefined {
    if (this.#sent > RETRANSMISSIONS_MAX) return undefined;
    if (this.#sent++ === 0) this.#timeoutMs = ACK_TIMEOUT_MS * (1 + random() * (ACK_RANDOM_FACTOR - 1));
    else this.#timeoutMs *= 2;
    return this.#timeoutMs;
  }
}

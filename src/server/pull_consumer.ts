import type { QueueDelivery } from "../core/queue/delivery.ts";
import type { QueueConsumer, QueueMember } from "../core/queue/member.ts";
import { recordBytes } from "../core/queue/record.ts";

/** How long a call waits at least for what the group has already asked the store for; and for more of it once there is something. */
const LOAD_MS = 500;
const MORE_MS = 50;
/** Topics, properties and payloads of one answer, beyond which there is no further message in it. */
const ANSWER_BYTES_MAX = 8 * 1024 * 1024;

/** One call that wants messages. */
export interface PullRequest {
  readonly max: number;
  readonly waitMs: number;
  /** Aborted when nobody waits for the answer. */
  readonly signal: AbortSignal;
}

/** A guest as a member of a group that lives longer than its calls: the group gives it as many messages as the calls that wait want. */
export class PullConsumer implements QueueConsumer {
  readonly id: string;
  member: QueueMember | null = null;
  /** What has come and is in no answer yet. */
  readonly #arrived: QueueDelivery[] = [];
  /** What was in an answer and is not settled. */
  readonly #handed = new Set<QueueDelivery>();
  readonly #waiters: (() => void)[] = [];
  #arrivedBytes = 0;
  #wanted = 0;
  #isEnded = false;

  constructor(id: string) {
    this.id = id;
  }

  get hasRoom(): boolean {
    return this.#arrived.length < this.#wanted && this.#arrivedBytes < ANSWER_BYTES_MAX;
  }

  /** Whether a call waits. */
  get isAsked(): boolean {
    return this.#wanted > 0;
  }

  /** Whether no call waits and no message is held. */
  get isIdle(): boolean {
    return !this.isAsked && this.#handed.size === 0;
  }

  /** Whether it is in its group no more. */
  get isGone(): boolean {
    return this.#isEnded || this.member?.isGone !== false;
  }

  deliver(delivery: QueueDelivery): void {
    this.#arrived.push(delivery);
    this.#arrivedBytes += recordBytes(delivery.record);
    this.#waiters.shift()?.();
  }

  withdraw(delivery: QueueDelivery): void {
    this.#handed.delete(delivery);
    const index = this.#arrived.indexOf(delivery);
    if (index >= 0) this.#taken(this.#arrived.splice(index, 1));
  }

  /** What clients were given and have not settled. */
  get handed(): ReadonlySet<QueueDelivery> {
    return this.#handed;
  }

  /** It is settled. */
  forget(delivery: QueueDelivery): void {
    this.#handed.delete(delivery);
  }

  /** Waits for the first message and takes what has come with it, and what the store has for the group already. What comes while nobody waits for the answer any more is for the next
   * call. `pump` lets the group give. */
  async take({ max, waitMs, signal }: PullRequest, pump: () => void): Promise<QueueDelivery[]> {
    this.#wanted += max;
    try {
      pump();
      const patience = Math.max(waitMs, this.#isLoading ? LOAD_MS : 0);
      if (this.#arrived.length === 0 && patience > 0 && !this.#isEnded) await this.#arrival(patience, signal);
      while (
        this.#arrived.length > 0 && this.#arrived.length < max && this.#isLoading && this.hasRoom && !signal.aborted
      ) {
        const before = this.#arrived.length;
        await this.#arrival(MORE_MS, signal);
        if (this.#arrived.length <= before) break;
      }
      const taken = this.#taken(signal.aborted ? [] : this.#arrived.splice(0, max));
      for (const delivery of taken) this.#handed.add(delivery);
      return taken;
    } finally {
      this.#wanted -= max;
      if (this.#arrived.length > 0) this.#waiters.shift()?.();
    }
  }

  /** Whoever waits gets nothing. */
  end(): void {
    this.#isEnded = true;
    this.#taken(this.#arrived.splice(0));
    for (const wake of this.#waiters.splice(0)) wake();
  }

  #taken(deliveries: QueueDelivery[]): QueueDelivery[] {
    for (const { record } of deliveries) this.#arrivedBytes -= recordBytes(record);
    return deliveries;
  }

  /** Whether the group has asked the store for messages, which come in a moment. */
  get #isLoading(): boolean {
    return this.member !== null && [...this.member.group.places()].some(({ load }) => load !== null);
  }

  async #arrival(waitMs: number, signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiters.push(resolve);
    const timer = setTimeout(resolve, waitMs);
    const onAbort = () => resolve();
    signal.addEventListener("abort", onAbort);
    if (signal.aborted) resolve();
    await promise;
    clearTimeout(timer);
    signal.removeEventListener("abort", onAbort); // it may live as long as a stream does
    const index = this.#waiters.indexOf(resolve);
    if (index >= 0) this.#waiters.splice(index, 1);
  }
}

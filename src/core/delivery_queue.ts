import type { Delivery } from "./delivery.ts";

/** Deliveries of one queue that are kept in memory; what comes behind them is only in the store. */
export const QUEUE_WINDOW_MESSAGES = 1_000;

/** Their bytes; only one that is larger by itself exceeds them. */
export const QUEUE_WINDOW_BYTES = 4 * 1024 * 1024;

/** Bytes of all queues of a broker in memory; above it what comes is spilled, and a queue gets a small page when it has nothing left. */
export const QUEUE_WINDOWS_BYTES = 64 * 1024 * 1024;

/** Bytes of all queues of a broker that cannot be spilled: of sessions that end with their connection, and of QoS 0. Above it a queue
 * that holds more than its share, and more than {@link UNSPILLED_OWN_BYTES}, loses messages as if it were full. */
const UNSPILLED_BYTES = 256 * 1024 * 1024;

/** What a queue may always hold of it. */
const UNSPILLED_OWN_BYTES = 64 * 1024;

/** What is read from the store at a time: half a window. */
export const QUEUE_PAGE = { limit: QUEUE_WINDOW_MESSAGES / 2, bytesMax: QUEUE_WINDOW_BYTES / 2 } as const;

/** The same when all windows together have had their share. */
const SMALL_PAGE = { limit: QUEUE_PAGE.limit, bytesMax: 64 * 1024 } as const;

/** What a delivery takes beside the bytes of its message. */
const DELIVERY_BYTES = 256;

/** What all queues of a broker have in memory. A message that several of them hold counts for each. */
export class WindowTotal {
  #bytes = 0;
  #unspilledBytes = 0;
  /** Queues that have some of it. */
  #holders = 0;

  get isFull(): boolean {
    return this.#bytes >= QUEUE_WINDOWS_BYTES;
  }

  /** Bytes that a queue may hold which cannot be spilled. */
  get unspilledShare(): number {
    if (this.#unspilledBytes < UNSPILLED_BYTES) return Infinity;
    return Math.max(UNSPILLED_BYTES / this.#holders, UNSPILLED_OWN_BYTES);
  }

  /** A stored delivery of a message of `bytes` came into memory. */
  add(bytes: number): void {
    this.#bytes += bytes + DELIVERY_BYTES;
  }

  remove(bytes: number): void {
    this.#bytes -= bytes + DELIVERY_BYTES;
  }

  /** A queue that held `before` bytes that cannot be spilled holds so many now. */
  moveUnspilled(before: number, now: number): void {
    this.#unspilledBytes += now - before;
    if (before === 0) this.#holders++;
    if (now === 0) this.#holders--;
  }
}

/** The deliveries of one session that wait for room in the window or for the client to come back; first in, first out.
 * Only the front of a long queue is in memory: what was stored and does not fit is _spilled_ and comes back through `refill`.
 * Counts what its limits are about, spilled ones included: replayed retained messages are carried but not counted. */
export class DeliveryQueue {
  readonly #windows: WindowTotal;
  #items: (Delivery | undefined)[] = [];
  #head = 0;
  #waitingQos0 = 0;
  /** QoS 0 messages were among the spilled, since those were none at all. */
  #hasSpilledQos0 = false;
  #windowBytes = 0;
  #unspilledBytes = 0;
  /** Deliveries behind those in memory, which only the store has. */
  spilledCount = 0;
  /** Those of them that a shared group gave to the session. */
  spilledShared = 0;
  /** The store has been asked for some of them, to be sent or to be handed on: never for both at a time. */
  isLoading = false;
  /** The sequence of the newest stored delivery that is or was in memory: the store goes on behind it. */
  lastSequence = 0;
  /** Messages that count against the limit. */
  count = 0;
  /** Bytes that count against the limit. */
  bytes = 0;

  constructor(windows: WindowTotal) {
    this.#windows = windows;
  }

  /** All that wait, spilled ones included. */
  get length(): number {
    return this.inMemory + this.spilledCount;
  }

  /** Those in memory. */
  get inMemory(): number {
    return this.#items.length - this.#head;
  }

  /** Whether a stored delivery that comes now is to be spilled. */
  get isWindowFull(): boolean {
    return this.spilledCount > 0 || this.inMemory >= QUEUE_WINDOW_MESSAGES ||
      this.#windowBytes >= QUEUE_WINDOW_BYTES || this.#windows.isFull;
  }

  /** Whether the store should be asked for more. */
  get wantsRefill(): boolean {
    if (this.spilledCount === 0 || this.isLoading) return false;
    if (this.#windows.isFull) return this.inMemory === 0;
    return this.inMemory < QUEUE_WINDOW_MESSAGES / 2 && this.#windowBytes < QUEUE_WINDOW_BYTES / 2;
  }

  /** How much the store should be asked for. */
  get pageSize(): { readonly limit: number; readonly bytesMax: number } {
    return this.#windows.isFull ? SMALL_PAGE : QUEUE_PAGE;
  }

  /** Whether it holds more than its share when all queues together hold too much that cannot be spilled. */
  get isGreedy(): boolean {
    return this.#unspilledBytes > this.#windows.unspilledShare;
  }

  /** True while a QoS 0 message waits, so that a newer one must not overtake it. */
  get holdsQos0(): boolean {
    return this.#waitingQos0 > 0 || this.holdsSpilledQos0;
  }

  /** True while one may be spilled: a newer one is stored behind it. */
  get holdsSpilledQos0(): boolean {
    return this.#hasSpilledQos0 && this.spilledCount > 0;
  }

  push(delivery: Delivery): void {
    this.#append(delivery);
    if (delivery.isReplay) return;
    this.count++;
    this.bytes += delivery.message.size;
  }

  /** Counts a stored delivery whose place is behind those in memory. */
  spill(delivery: Delivery): void {
    this.#hasSpilledQos0 = delivery.qos === 0 || this.holdsSpilledQos0;
    this.spilledCount++;
    if (delivery.group !== null) this.spilledShared++;
    if (delivery.isReplay) return;
    this.count++;
    this.bytes += delivery.message.size;
  }

  /** Counts what a restart found in the store and left there, QoS 0 messages perhaps among it. */
  restoreSpilled(
    backlog: { total: number; count: number; bytes: number; shared: number },
    mayHoldQos0: boolean,
  ): void {
    this.#hasSpilledQos0 = mayHoldQos0;
    this.spilledCount += backlog.total;
    this.spilledShared += backlog.shared;
    this.count += backlog.count;
    this.bytes += backlog.bytes;
  }

  /** Appends the next deliveries from the store; they are counted already. None at all means that the store has no more. */
  refill(deliveries: readonly Delivery[]): void {
    this.isLoading = false;
    if (deliveries.length === 0) this.spilledCount = this.spilledShared = 0;
    for (const delivery of deliveries) {
      this.spilledCount--;
      if (delivery.group !== null) this.spilledShared--;
      this.#append(delivery);
    }
  }

  /** A spilled delivery goes to another session. */
  takeSpilled(delivery: Delivery): void {
    this.spilledCount--;
    this.spilledShared--;
    if (delivery.isReplay) return;
    this.count--;
    this.bytes -= delivery.message.size;
  }

  /** Lets go of everything in memory, uncounted: the queue is not used any more. */
  discard(): void {
    for (const delivery of this) this.#weigh(delivery, -1);
    this.#items = [];
    this.#head = 0;
  }

  peek(): Delivery | undefined {
    return this.#items[this.#head];
  }

  shift(): Delivery | undefined {
    const delivery = this.#items[this.#head];
    if (delivery === undefined) return undefined;
    this.#items[this.#head++] = undefined;
    this.#removed(delivery);
    this.#compact();
    return delivery;
  }

  /** Takes out and answers the deliveries that `wanted` picks, oldest first. */
  take(wanted: (delivery: Delivery) => boolean): Delivery[] {
    const taken: Delivery[] = [];
    const kept: Delivery[] = [];
    for (let i = this.#head; i < this.#items.length; i++) {
      const delivery = this.#items[i]!;
      (wanted(delivery) ? taken : kept).push(delivery);
    }
    for (const delivery of taken) this.#removed(delivery);
    this.#items = kept;
    this.#head = 0;
    return taken;
  }

  /** Takes out the oldest delivery that counts against the limits; undefined when none does. */
  evictOldest(): Delivery | undefined {
    for (let i = this.#head; i < this.#items.length; i++) {
      const delivery = this.#items[i]!;
      if (delivery.isReplay) continue;
      if (i === this.#head) return this.shift();
      this.#items.splice(i, 1);
      this.#removed(delivery);
      return delivery;
    }
    return undefined;
  }

  [Symbol.iterator](): Iterator<Delivery> {
    return (this.#items.slice(this.#head) as Delivery[])[Symbol.iterator]();
  }

  #weigh(delivery: Delivery, sign: 1 | -1): void {
    this.#windowBytes += sign * delivery.message.size;
    if (delivery.qos === 0) this.#waitingQos0 += sign;
    if (delivery.sequence === 0) this.#weighUnspilled(sign * (delivery.message.size + DELIVERY_BYTES));
    else if (sign > 0) this.#windows.add(delivery.message.size);
    else this.#windows.remove(delivery.message.size);
  }

  #weighUnspilled(bytes: number): void {
    const before = this.#unspilledBytes;
    this.#unspilledBytes += bytes;
    this.#windows.moveUnspilled(before, this.#unspilledBytes);
  }

  #append(delivery: Delivery): void {
    this.#items.push(delivery);
    this.#weigh(delivery, 1);
    if (delivery.sequence > this.lastSequence) this.lastSequence = delivery.sequence;
  }

  #removed(delivery: Delivery): void {
    this.#weigh(delivery, -1);
    if (delivery.isReplay) return;
    this.count--;
    this.bytes -= delivery.message.size;
  }

  /** Gives the passed part of the array back when it is the larger half, which keeps `shift` at constant cost. */
  #compact(): void {
    if (this.#head < 64 || this.#head * 2 < this.#items.length) return;
    this.#items = this.#items.slice(this.#head);
    this.#head = 0;
  }
}

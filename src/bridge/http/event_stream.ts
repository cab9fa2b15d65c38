import type { GuestDelivery, GuestSubscription } from "../gateway.ts";
import { messageDocument, type PayloadEncoding } from "./message_json.ts";
import { HttpProblem } from "./problem.ts";

/** Events that leave in one chunk. */
const CHUNK_EVENTS_MAX = 64;
/** How soon a browser comes back when the stream has ended. */
const RETRY_MS = 1_000;
/** How long a stream may be stalled for want of acknowledgements before it ends, so that a browser comes back with `Last-Event-ID`. */
const STALL_MS = 1_000;
/** Between two looks at the streams. */
const TICK_MS = 250;

/** What holds for every stream of a bridge. */
export interface EventStreamsOptions {
  /** Streams and waiting polls at a time. */
  readonly subscriptionsMax: number;
  /** A comment is sent when there was nothing else for this long. */
  readonly heartbeatMs: number;
  /** A reader that takes nothing for this long is cut. */
  readonly writeTimeoutMs: number;
}

/** The open subscriptions of a bridge. One timer looks after all of them. */
export class EventStreams {
  readonly #options: EventStreamsOptions;
  readonly #streams = new Set<EventStream>();
  #places = 0;
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(options: EventStreamsOptions) {
    this.#options = options;
  }

  get heartbeatMs(): number {
    return this.#options.heartbeatMs;
  }

  /** Takes a place for a subscription, to be given back once.
   * @throws {HttpProblem} 503 when all are taken */
  enter(): Disposable {
    const { subscriptionsMax } = this.#options;
    if (this.#places >= subscriptionsMax) {
      const detail = `Cannot subscribe: ${subscriptionsMax} subscriptions are open, that is the maximum`;
      throw new HttpProblem(503, "server-busy", { detail, headers: { "retry-after": "5" } });
    }
    this.#places++;
    return { [Symbol.dispose]: () => void this.#places-- };
  }

  /** Serves a subscription as events; `place` is given back when that has ended. */
  open(
    subscription: GuestSubscription,
    options: { encoding: PayloadEncoding; isKept: boolean; place: Disposable },
  ): EventStream {
    const { heartbeatMs, writeTimeoutMs } = this.#options;
    const onEnd = () => {
      this.#streams.delete(stream);
      if (this.#streams.size === 0) clearInterval(this.#timer);
      options.place[Symbol.dispose]();
    };
    const stream = new EventStream(subscription, { ...options, heartbeatMs, writeTimeoutMs, onEnd });
    if (this.#streams.size === 0) this.#timer = setInterval(() => this.#tick(), TICK_MS);
    this.#streams.add(stream);
    return stream;
  }

  #tick(): void {
    const now = performance.now();
    for (const stream of [...this.#streams]) stream.tick(now);
  }
}

/** What one stream needs. */
export interface EventStreamOptions {
  readonly encoding: PayloadEncoding;
  /** What was sent is settled by the client; else it is when it has been taken. */
  readonly isKept: boolean;
  readonly heartbeatMs: number;
  readonly writeTimeoutMs: number;
  readonly onEnd: () => void;
}

/** A delivery as an event, made once for all streams that share it. */
function eventOf(delivery: GuestDelivery, encoding: PayloadEncoding): string {
  const { made } = delivery;
  if (made?.delivery === delivery && made.form === encoding) return made.text;
  const data = JSON.stringify(messageDocument(delivery, encoding));
  const text = delivery.id === 0 ? `data: ${data}\n\n` : `id: ${delivery.id}\ndata: ${data}\n\n`;
  delivery.made = { delivery, form: encoding, text };
  return text;
}

/** A subscription as a stream of Server-Sent Events. Nothing is taken from the subscription before the reader asks for it, so that a
 * slow one costs no more than what the subscription keeps. */
class EventStream {
  readonly body: ReadableStream<Uint8Array>;
  readonly #subscription: GuestSubscription;
  readonly #options: EventStreamOptions;
  #controller!: ReadableStreamDefaultController<Uint8Array>;
  /** Sent with the last chunk, and on its way until the next one is asked for. */
  #sent: GuestDelivery[] = [];
  #wake: (() => void) | undefined;
  #isEnded = false;
  /** Since when the reader has had something to take, or nothing was sent. */
  #since = performance.now();
  #stalledSince = Infinity;
  #endedFor: string | undefined;

  constructor(subscription: GuestSubscription, options: EventStreamOptions) {
    this.#subscription = subscription;
    this.#options = options;
    this.body = new ReadableStream<Uint8Array>({
      start: (controller) => {
        this.#controller = controller;
        this.#say(`retry: ${RETRY_MS}\n\n`);
      },
      pull: () => this.#pull(),
      cancel: () => this.#end(),
    }, { highWaterMark: 0 });
  }

  /** There may be something to take, or the subscription has ended. */
  wake(): void {
    this.#wake?.();
  }

  /** Looks after heartbeats, readers that take nothing, and streams that wait for acknowledgements. */
  tick(now: number): void {
    const isAsked = this.#wake !== undefined;
    if (!isAsked && now - this.#since > this.#options.writeTimeoutMs) {
      this.#end();
      this.#controller.error(new Deno.errors.TimedOut("The reader takes nothing"));
      return;
    }
    if (!this.#subscription.isStalled) this.#stalledSince = Infinity;
    else if (this.#stalledSince === Infinity) this.#stalledSince = now;
    else if (isAsked && now - this.#stalledSince >= STALL_MS) this.#endedFor ??= "window-full";
    if (this.#isBeatDue(now) || this.#endedFor !== undefined) this.wake();
  }

  async #pull(): Promise<void> {
    if (!this.#options.isKept) { for (const delivery of this.#sent) this.#subscription.settle(delivery); }
    this.#sent = [];
    while (!this.#isEnded) {
      const text = this.#events();
      if (text !== "") return this.#say(text);
      this.#endedFor ??= this.#subscription.endCause;
      if (this.#endedFor !== undefined) return this.#close(this.#endedFor);
      if (this.#isBeatDue(performance.now())) return this.#say(": \n\n");
      await new Promise<void>((resolve) => this.#wake = resolve);
      this.#wake = undefined;
    }
  }

  #events(): string {
    let text = "";
    for (let i = 0; i < CHUNK_EVENTS_MAX; i++) {
      const delivery = this.#subscription.take();
      if (delivery === undefined) break;
      text += eventOf(delivery, this.#options.encoding);
      if (delivery.qos > 0) this.#sent.push(delivery);
    }
    return text;
  }

  #isBeatDue(now: number): boolean {
    return now - this.#since >= this.#options.heartbeatMs;
  }

  #say(text: string): void {
    this.#since = performance.now();
    this.#controller.enqueue(new TextEncoder().encode(text));
  }

  #close(cause: string): void {
    this.#say(`event: end\ndata: ${JSON.stringify({ cause })}\n\n`);
    this.#controller.close();
    this.#end();
  }

  #end(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#subscription.end().catch(() => {}); // the store failed, which is told elsewhere
    this.#wake?.();
    this.#options.onEnd();
  }
}

import type { Send } from "../core/effects.ts";
import type { Message, QoS } from "../core/message.ts";
import { BufferPool } from "../wire/buffer_pool.ts";
import type { Outbox } from "../wire/outbox.ts";
import { ATTACHED_BYTES_MIN, publishBytes, PublishShape, writePublish } from "../wire/publish.ts";
import { RUN_BYTES, SharedRun } from "../wire/shared_run.ts";
import type { Endpoint } from "./endpoint.ts";

const NO_BYTES = new Uint8Array(0);

/** Writes messages as PUBLISH packets. A message that goes to many is encoded for the first of them; the others whose packet is the
 * same share one copy of those bytes, or get one each where the packet id is different. */
export class PublishWriter {
  readonly #buffers: BufferPool;
  readonly #shape = new PublishShape();
  #message: Message | null = null;
  /** The packet written last, where it still lies in the outbox it was written to. */
  #outbox: Outbox | null = null;
  #buffer: Uint8Array = NO_BYTES;
  #frame: Uint8Array = NO_BYTES;
  #start = 0;
  #end = 0;
  #isV5 = false;
  #qos: QoS = 0;
  #dup = false;
  #retain = false;
  /** What the others share; it goes on from round to round until it has become long. */
  #run: SharedRun | null = null;
  /** Where the packet written last lies in it; -1 while nobody shares it. */
  #sharedAt = -1;

  /** Hand in the pool that the outboxes share. */
  constructor(buffers: BufferPool = new BufferPool()) {
    this.#buffers = buffers;
  }

  /** Writes what `send` says into the endpoint's outbox. False when it is larger than the client accepts. */
  write(endpoint: Endpoint, send: Send, now: number): boolean {
    const message = send.message!;
    const isV5 = endpoint.version === 5;
    if (message === this.#message && this.#mayCopy(endpoint, send, isV5)) return this.#copy(endpoint, send);
    if (message.payloadEnd - message.payloadStart >= ATTACHED_BYTES_MIN) message.own(); // the outboxes share it
    const shape = this.#shape;
    shape.version = endpoint.version;
    shape.qos = send.qos;
    shape.dup = send.dup;
    shape.retain = send.retain;
    shape.packetId = send.packetId;
    shape.topicAlias = 0;
    shape.sendTopic = true;
    shape.expirySeconds = message.expiresAt === Infinity ? -1 : remainingSeconds(message.expiresAt, now);
    shape.subscriptionIds = isV5 ? send.subscriptionIds : null;
    if (endpoint.aliasesOut !== null) return this.#writeAliased(endpoint, message);
    if (publishBytes(message, shape) > endpoint.packetBytesMax) return false;
    const { outbox } = endpoint;
    const start = outbox.length;
    writePublish(outbox, message, shape);
    this.#remember(outbox, message, start);
    return true;
  }

  /** To be called when a turn ends: what was remembered lies in buffers that others will fill. */
  forget(): void {
    this.#message = null;
    this.#outbox = null;
    this.#frame = this.#buffer = NO_BYTES;
    if (this.#run !== null && this.#run.length >= RUN_BYTES / 4) this.#endRun(this.#run);
  }

  #writeAliased(endpoint: Endpoint, message: Message): boolean {
    const shape = this.#shape;
    const aliases = endpoint.aliasesOut!;
    const known = aliases.get(message.topic);
    shape.topicAlias = known === 0 ? aliases.propose(message.topic) : known;
    shape.sendTopic = known === 0;
    if (publishBytes(message, shape) > endpoint.packetBytesMax) return false;
    writePublish(endpoint.outbox, message, shape);
    if (known === 0 && shape.topicAlias !== 0) aliases.set(message.topic, shape.topicAlias);
    return true;
  }

  #remember(outbox: Outbox, message: Message, start: number): void {
    this.#message = this.#shape.subscriptionIds === null && outbox.length > start ? message : null; // it may be attached
    this.#outbox = outbox;
    this.#buffer = outbox.bytes;
    this.#isV5 = this.#shape.version === 5;
    this.#qos = this.#shape.qos;
    this.#dup = this.#shape.dup;
    this.#retain = this.#shape.retain;
    this.#frame = NO_BYTES; // cut out with the first copy: most messages go to one
    this.#start = start;
    this.#end = outbox.length;
    this.#sharedAt = -1;
  }

  #mayCopy(endpoint: Endpoint, send: Send, isV5: boolean): boolean {
    return isV5 === this.#isV5 && send.qos === this.#qos && send.retain === this.#retain && send.dup === this.#dup &&
      endpoint.aliasesOut === null && (!isV5 || send.subscriptionIds === null) &&
      this.#outbox!.bytes === this.#buffer; // else it was grown, and the old buffer is another's by now
  }

  #copy(endpoint: Endpoint, send: Send): boolean {
    const length = this.#end - this.#start;
    if (length > endpoint.packetBytesMax) return false;
    if (this.#frame.length === 0) this.#frame = this.#buffer.subarray(this.#start, this.#end);
    const { outbox } = endpoint;
    if (send.qos === 0) {
      this.#share(outbox);
      return true;
    }
    const at = outbox.length;
    outbox.append(this.#frame);
    const idAt = at + this.#idOffset(length, send.message!);
    outbox.bytes[idAt] = send.packetId >> 8;
    outbox.bytes[idAt + 1] = send.packetId;
    return true;
  }

  #share(outbox: Outbox): void {
    const frame = this.#frame;
    if (this.#sharedAt === -1) {
      if (this.#run?.hasRoom(frame.length) === false) this.#endRun(this.#run);
      this.#run ??= new SharedRun(this.#buffers, frame.length);
      this.#sharedAt = this.#run.add(frame);
    }
    outbox.share(this.#run!, this.#sharedAt, frame.length);
  }

  /** Who refers to it holds it on. */
  #endRun(run: SharedRun): void {
    run.release();
    this.#run = null;
  }

  /** Where the packet id stands: behind the first byte, the remaining length (1 to 4 bytes) and the topic. */
  #idOffset(length: number, message: Message): number {
    const header = length < 130 ? 2 : length < 16_387 ? 3 : length < 2_097_156 ? 4 : 5;
    return header + 2 + message.topic.bytes.length;
  }
}

/** Seconds left of a message's life, rounded up so that a message that is sent has not expired ([MQTT-3.3.2-6]). */
function remainingSeconds(expiresAt: number, now: number): number {
  return Math.max(0, Math.ceil((expiresAt - now) / 1000));
}

import { type Block, blockBytes, blockOption } from "./block.ts";
import { CoapRefusal } from "./coap_refusal.ts";
import { type CoapResponse, Code, OptionNumber, uintOption } from "./message.ts";

/** A body of which no block has come for so long is dropped; in time for its client to have given up (EXCHANGE_LIFETIME). */
const IDLE_MS = 247_000;

/** How much may be under way. */
export interface BlockAssemblyLimits {
  /** Of one body. */
  readonly bodyBytesMax: number;
  /** Of all bodies. */
  readonly bytesMax: number;
  /** Bodies under way; the one that waited longest makes room. */
  readonly bodiesMax: number;
  /** The same, of one peer. */
  readonly bodiesPerPeerMax: number;
}

/** One block as it came. */
export interface IncomingBlock {
  readonly block: Block;
  readonly payload: Uint8Array;
  /** What the client says the whole body has. */
  readonly size: number | undefined;
}

interface Body {
  readonly peer: string;
  readonly blocks: Uint8Array[];
  bytes: number;
  changedAt: number;
}

/** Puts bodies together that come in blocks (RFC 7959 section 2.5), each block in its turn. Nothing is kept for what a client announces,
 * only for what has come. */
export class BlockAssembly {
  readonly #limits: BlockAssemblyLimits;
  /** By peer, path and tag; the one that has waited longest comes first. */
  readonly #bodies = new Map<string, Body>();
  #bytes = 0;

  constructor(limits: BlockAssemblyLimits) {
    this.#limits = limits;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get size(): number {
    return this.#bodies.size;
  }

  /** Takes a block of the body that `key` names. Answers the whole body with the last one, and before that what is to be said.
   * @throws {CoapRefusal} 4.08 when blocks before it are missing, 4.13 when the body is too large, 5.03 when too much is under way */
  add(key: string, incoming: IncomingBlock, at: { peer: string; now: number }): Uint8Array | CoapResponse {
    this.#dropOld(at.now);
    const { block, payload } = incoming;
    if (block.hasMore && payload.length !== blockBytes(block.sizeExponent)) {
      throw new CoapRefusal(
        Code.badRequest,
        `Cannot accept a block of ${payload.length} bytes: only the last may be short`,
      );
    }
    if (block.number === 0) this.#drop(key); // it begins anew
    const before = this.#bodies.get(key);
    const offset = block.number * blockBytes(block.sizeExponent);
    if (offset !== (before?.bytes ?? 0)) {
      throw new CoapRefusal(
        Code.requestEntityIncomplete,
        "Cannot put the body together: blocks before this one are missing",
      );
    }
    this.#assertSize(key, Math.max(offset + payload.length, incoming.size ?? 0));
    if (!block.hasMore) return this.#finish(key, payload);
    this.#keep(key, payload, at);
    return { code: Code.continue, options: [blockOption(OptionNumber.block1, block)] };
  }

  #assertSize(key: string, bytes: number): void {
    const { bodyBytesMax } = this.#limits;
    if (bytes <= bodyBytesMax) return;
    this.#drop(key);
    const size = uintOption(OptionNumber.size1, bodyBytesMax);
    throw new CoapRefusal(Code.requestEntityTooLarge, `Cannot accept ${bytes} bytes: the maximum is ${bodyBytesMax}`, [
      size,
    ]);
  }

  #keep(key: string, payload: Uint8Array, { peer, now }: { peer: string; now: number }): void {
    if (this.#bytes + payload.length > this.#limits.bytesMax) {
      this.#drop(key);
      throw new CoapRefusal(Code.serviceUnavailable, "Cannot keep the block: too many bodies are under way", [
        uintOption(OptionNumber.maxAge, 30),
      ]);
    }
    const body = this.#bodies.get(key) ?? this.#begin(peer);
    body.blocks.push(payload.slice());
    body.bytes += payload.length;
    body.changedAt = now;
    this.#bytes += payload.length;
    this.#bodies.delete(key);
    this.#bodies.set(key, body);
  }

  #begin(peer: string): Body {
    const ofPeer = [...this.#bodies].filter(([, body]) => body.peer === peer);
    if (ofPeer.length >= this.#limits.bodiesPerPeerMax) this.#drop(ofPeer[0][0]);
    else if (this.#bodies.size >= this.#limits.bodiesMax) this.#drop(this.#bodies.keys().next().value!);
    return { peer, blocks: [], bytes: 0, changedAt: 0 };
  }

  #finish(key: string, last: Uint8Array): Uint8Array {
    const body = this.#bodies.get(key);
    if (body === undefined) return last;
    this.#drop(key);
    const whole = new Uint8Array(body.bytes + last.length);
    let at = 0;
    for (const block of [...body.blocks, last]) {
      whole.set(block, at);
      at += block.length;
    }
    return whole;
  }

  #drop(key: string): void {
    const body = this.#bodies.get(key);
    if (body === undefined) return;
    this.#bytes -= body.bytes;
    this.#bodies.delete(key);
  }

  #dropOld(now: number): void {
    for (const [key, body] of this.#bodies) {
      if (now - body.changedAt < IDLE_MS) break;
      this.#drop(key);
    }
  }
}

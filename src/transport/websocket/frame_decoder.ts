/** Why the WebSocket connection ends (RFC 6455 section 7.4.1). */
export type CloseCode = number;

export const CLOSE_NORMAL = 1000;
const CLOSE_PROTOCOL_ERROR = 1002;
/** A text frame, where only bytes are spoken. */
const CLOSE_UNSUPPORTED = 1003;
const CLOSE_INVALID_TEXT = 1007;

/** What ends the frames of a peer: it said close, or broke the rules. */
export interface FrameEnd {
  readonly code: CloseCode;
  /** For the log; empty when the peer has closed as it should. */
  readonly fault: string;
}

const CONTROL_BYTES_MAX = 125;
const FIRST = 0;
const SECOND = 1;
const LENGTH = 2;
const MASK = 3;
const PAYLOAD = 4;

const CONTINUATION = 0;
const TEXT = 1;
const BINARY = 2;
const CLOSE = 8;
const PING = 9;
const PONG = 10;

/** Takes the payload out of the frames of a WebSocket client (RFC 6455 section 5), without extensions. Where frames begin and end says
 * nothing about MQTT ([MQTT-6.0.0-2]): payload goes on as it comes, and a frame is never gathered, however long it says it is. */
export class FrameDecoder {
  /** Set once: nothing after it is read. */
  end: FrameEnd | undefined = undefined;
  #step = FIRST;
  #opcode = 0;
  #isFinal = false;
  /** A message has begun whose last frame has not come. */
  #isInMessage = false;
  /** Payload bytes of the frame that are still to come. */
  #length = 0;
  /** Bytes of the length or the mask that are still to come. */
  #fieldBytes = 0;
  /** Four bytes, the next to be used in front. */
  #mask = 0;
  #control: number[] | undefined;
  #ping: Uint8Array<ArrayBuffer> | undefined;

  /** Moves the payload that `chunk` holds to its front, unmasked, and answers how much there is. Data before a close is answered,
   * nothing behind it. */
  decode(chunk: Uint8Array): number {
    let to = 0;
    for (let at = 0; at < chunk.length && this.end === undefined;) {
      if (this.#step !== PAYLOAD) {
        this.#onHeaderByte(chunk[at++]);
        continue;
      }
      const count = Math.min(this.#length, chunk.length - at);
      if (this.#opcode < CLOSE) {
        this.#unmask(chunk, { at, to, count });
        to += count;
      } else {
        for (let i = 0; i < count; i++) this.#control!.push(chunk[at + i] ^ this.#nextMaskByte());
      }
      at += count;
      this.#length -= count;
      if (this.#length === 0) this.#onFrameEnd();
    }
    return to;
  }

  /** What the latest ping carried, once; undefined when there was none since. Only the latest has to be answered (section 5.5.3). */
  takePing(): Uint8Array<ArrayBuffer> | undefined {
    const ping = this.#ping;
    this.#ping = undefined;
    return ping;
  }

  #onHeaderByte(byte: number): void {
    switch (this.#step) {
      case FIRST:
        return this.#onFirst(byte);
      case SECOND:
        return this.#onSecond(byte);
      case LENGTH:
        this.#length = this.#length * 256 + byte; // a number beyond 2^53 is refused below
        if (--this.#fieldBytes > 0) return;
        if (!Number.isSafeInteger(this.#length)) return this.#fail("a frame of more than 2^53 bytes");
        return this.#expectMask();
      default:
        this.#mask = (this.#mask << 8) | byte;
        if (--this.#fieldBytes > 0) return;
        this.#step = PAYLOAD;
        if (this.#length === 0) this.#onFrameEnd();
    }
  }

  #onFirst(byte: number): void {
    const opcode = byte & 0x0f;
    this.#opcode = opcode;
    this.#isFinal = (byte & 0x80) !== 0;
    if ((byte & 0x70) !== 0) return this.#fail("a reserved bit is set, and no extension was agreed on");
    if (opcode === TEXT) return this.#fail("a text frame", CLOSE_UNSUPPORTED); // [MQTT-6.0.0-1]
    if (opcode > BINARY && (opcode < CLOSE || opcode > PONG)) {
      return this.#fail(`a frame with the reserved opcode ${opcode}`);
    }
    if (opcode >= CLOSE && !this.#isFinal) return this.#fail("a control frame in pieces");
    if (opcode === CONTINUATION && !this.#isInMessage) return this.#fail("a continuation of nothing");
    if (opcode === BINARY && this.#isInMessage) return this.#fail("a new message before the end of the last one");
    if (opcode < CLOSE) this.#isInMessage = !this.#isFinal;
    this.#step = SECOND;
  }

  #onSecond(byte: number): void {
    if ((byte & 0x80) === 0) return this.#fail("a frame without a mask");
    const length = byte & 0x7f;
    if (this.#opcode >= CLOSE) {
      if (length > CONTROL_BYTES_MAX) return this.#fail("a control frame of more than 125 bytes");
      this.#control = [];
    }
    this.#length = length;
    if (length < 126) return this.#expectMask();
    this.#length = 0;
    this.#fieldBytes = length === 126 ? 2 : 8;
    this.#step = LENGTH;
  }

  #expectMask(): void {
    this.#mask = 0;
    this.#fieldBytes = 4;
    this.#step = MASK;
  }

  #nextMaskByte(): number {
    const byte = this.#mask >>> 24;
    this.#mask = (this.#mask << 8) | byte;
    return byte;
  }

  /** Payload moves towards the front, where headers were: never over bytes that are still to be read. */
  #unmask(bytes: Uint8Array, { at, to, count }: { at: number; to: number; count: number }): void {
    const mask = this.#mask;
    const [m0, m1, m2, m3] = [mask >>> 24, (mask >>> 16) & 0xff, (mask >>> 8) & 0xff, mask & 0xff];
    const whole = count & ~3;
    for (let i = 0; i < whole; i += 4) {
      bytes[to + i] = bytes[at + i] ^ m0;
      bytes[to + i + 1] = bytes[at + i + 1] ^ m1;
      bytes[to + i + 2] = bytes[at + i + 2] ^ m2;
      bytes[to + i + 3] = bytes[at + i + 3] ^ m3;
    }
    for (let i = whole; i < count; i++) bytes[to + i] = bytes[at + i] ^ this.#nextMaskByte();
  }

  #onFrameEnd(): void {
    this.#step = FIRST;
    const control = this.#control;
    this.#control = undefined;
    if (this.#opcode === PING) this.#ping = Uint8Array.from(control!);
    if (this.#opcode === CLOSE) this.end = readClose(control!);
  }

  #fail(fault: string, code = CLOSE_PROTOCOL_ERROR): void {
    this.end = { code, fault: `Cannot read WebSocket frames: ${fault}` };
  }
}

/** What a close frame says (section 5.5.1); the same code goes back. */
function readClose(payload: readonly number[]): FrameEnd {
  if (payload.length === 0) return { code: CLOSE_NORMAL, fault: "" };
  const code = (payload[0] << 8) | payload[1];
  if (payload.length === 1 || !isCloseCode(code)) {
    return { code: CLOSE_PROTOCOL_ERROR, fault: "Cannot read WebSocket frames: a close without a valid code" };
  }
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(Uint8Array.from(payload.slice(2)));
    return { code, fault: "" };
  } catch {
    return { code: CLOSE_INVALID_TEXT, fault: "Cannot read WebSocket frames: the reason of a close is not UTF-8" };
  }
}

/** Those that may stand in a frame (section 7.4). */
function isCloseCode(code: number): boolean {
  if (code >= 3000) return code <= 4999;
  return code >= 1000 && code <= 1014 && (code < 1004 || code > 1006);
}

/** A close frame of the server. */
export function closeFrame(code: CloseCode): Uint8Array<ArrayBuffer> {
  return new Uint8Array([0x80 | CLOSE, 2, code >> 8, code & 0xff]);
}

/** The answer to a ping. */
export function pongFrame(payload: Uint8Array): Uint8Array<ArrayBuffer> {
  const frame = new Uint8Array(2 + payload.length);
  frame[0] = 0x80 | PONG;
  frame[1] = payload.length;
  frame.set(payload, 2);
  return frame;
}

/** One binary frame with `payload`; a server masks nothing (section 5.1). */
export function binaryFrame(payload: Uint8Array): Uint8Array<ArrayBuffer> {
  const { length } = payload;
  const headerBytes = length < 126 ? 2 : length < 0x1_0000 ? 4 : 10;
  const frame = new Uint8Array(headerBytes + length);
  const view = new DataView(frame.buffer);
  frame[0] = 0x80 | BINARY;
  frame[1] = headerBytes === 2 ? length : headerBytes === 4 ? 126 : 127;
  if (headerBytes === 4) view.setUint16(2, length);
  if (headerBytes === 10) view.setBigUint64(2, BigInt(length));
  frame.set(payload, headerBytes);
  return frame;
}

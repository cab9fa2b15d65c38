import type { ByteChannel, ByteSink } from "../byte_channel.ts";
import { binaryFrame, CLOSE_NORMAL, closeFrame, FrameDecoder, type FrameEnd, pongFrame } from "./frame_decoder.ts";
import { strangerWords } from "../other_protocol.ts";
import type { PeerFault } from "../transport.ts";
import { answerUpgrade, HEAD_BYTES_MAX, refuseUpgrade, type UpgradeAnswer, type UpgradeRules } from "./upgrade.ts";

/** How long a peer may take to read our last frame before the connection is cut. */
const FAREWELL_MS = 1_000;

/** What a WebSocket channel is made of. */
export interface WebSocketChannelOptions {
  readonly rules: UpgradeRules;
  /** Told once when the peer is no client of ours: why its handshake was refused, or its frames. */
  readonly onRefused: (fault: PeerFault) => void;
}

/** A WebSocket connection (RFC 6455) over a channel on which nothing has been said. The handshake is the first that is read; until it
 * is done nothing is written. Frames are not gathered, and reading and writing wait as the channel below does. */
export class WebSocketChannel implements ByteChannel, ByteSink {
  readonly #inner: ByteChannel;
  readonly #options: WebSocketChannelOptions;
  readonly #decoder = new FrameDecoder();
  #sink!: ByteSink;
  /** Of the handshake, while that goes on. */
  #head: Uint8Array<ArrayBuffer> | null = new Uint8Array(0);
  /** The next frame of our own: the latest pong, or the last word. */
  #control: Uint8Array | null = null;
  /** What the sink wants written. */
  #data: Uint8Array | null = null;
  #writing: "none" | "control" | "data" = "none";
  /** Our last word, from when it was decided on until it has been written. */
  #farewell: "none" | "due" | "said" = "none";
  #onSaid: (() => void) | undefined;
  #farewellTimer: ReturnType<typeof setTimeout> | undefined;
  #isShutDown = false;
  #isOver = false;

  constructor(inner: ByteChannel, options: WebSocketChannelOptions) {
    this.#inner = inner;
    this.#options = options;
  }

  start(sink: ByteSink): void {
    this.#sink = sink;
    this.#inner.start(this);
  }

  onChunk(chunk: Uint8Array): Promise<void> | undefined {
    if (this.#isOver) return undefined;
    const frames = this.#head === null ? chunk : this.#readHead(chunk);
    if (frames.length === 0) return undefined;
    const count = this.#decoder.decode(frames);
    const ping = this.#decoder.takePing();
    if (ping !== undefined && this.#farewell === "none") this.#say(pongFrame(ping));
    const pending = count > 0 ? this.#sink.onChunk(frames.subarray(0, count)) : undefined;
    const { end } = this.#decoder;
    if (end === undefined) return pending;
    if (pending !== undefined) return pending.then(() => this.#finish(end));
    this.#finish(end);
  }

  #finish({ code, fault }: FrameEnd): void {
    if (fault !== "") this.#options.onRefused({ kind: "stranger", reason: fault });
    this.#sayLast(closeFrame(code)); // the same code goes back (section 5.5.1)
    this.#sink.onEnd();
  }

  onEnd(): void {
    this.#isOver = true;
    this.#cut(); // and nothing more can be said
    this.#sink.onEnd();
  }

  write(bytes: Uint8Array): void {
    this.#data = bytes;
    this.#writeNext();
  }

  /** Says that nothing more comes; what was written arrives before it. */
  async shutdown(): Promise<void> {
    this.#isShutDown = true;
    if (this.#head === null) this.#sayLast(closeFrame(CLOSE_NORMAL));
    else if (!this.#isOver) this.#answer(refuseUpgrade(408, "The handshake took too long, or the broker stops"));
    if (this.#farewell === "due") await new Promise<void>((resolve) => this.#onSaid = resolve);
    await this.#inner.shutdown();
  }

  /** Our last word, if it has not been given time already, has a second to be read: closing with unread input would take it back. */
  close(): void {
    if (this.#farewell === "none" || this.#isShutDown || this.#isOver) return this.#cut();
    this.#isOver = true;
    const timer = setTimeout(() => this.#cut(), FAREWELL_MS);
    Deno.unrefTimer(timer); // a program that has nothing else to do may end
    this.#farewellTimer = timer;
    const shutdown = () => void this.#inner.shutdown().catch(() => this.#cut());
    if (this.#farewell === "said") shutdown();
    else this.#onSaid = shutdown;
  }

  #cut(): void {
    this.#isOver = true;
    clearTimeout(this.#farewellTimer);
    this.#inner.close();
  }

  /** Answers what has come behind the handshake. */
  #readHead(chunk: Uint8Array): Uint8Array {
    const before = this.#head!.length;
    const head = new Uint8Array(before + Math.min(chunk.length, HEAD_BYTES_MAX - before + 1));
    head.set(this.#head!);
    head.set(chunk.subarray(0, head.length - before), before);
    const end = findEnd(head, Math.max(0, before - 3));
    if (end === undefined) {
      this.#head = head;
      if (head.length > HEAD_BYTES_MAX) this.#refuse(refuseUpgrade(431, `Expected at most ${HEAD_BYTES_MAX} bytes`));
      else if (head[0] < 0x41 || head[0] > 0x5a) this.#refuse(refuseUpgrade(400, strangerWords(head, "WebSocket")));
      return chunk.subarray(chunk.length);
    }
    const answer = answerUpgrade(head.subarray(0, end), this.#options.rules);
    if (answer.status !== 101) {
      this.#refuse(answer);
      return chunk.subarray(chunk.length);
    }
    this.#head = null;
    this.#say(answer.response);
    return chunk.subarray(end - before);
  }

  #refuse(answer: UpgradeAnswer): void {
    this.#answer(answer);
    this.#sink.onEnd();
  }

  #answer({ status, reason, response }: UpgradeAnswer): void {
    const kind = status === 403 ? "unwelcome" : status === 408 ? "late" : "stranger";
    this.#options.onRefused({ kind, reason: `The WebSocket handshake is refused with ${status}: ${reason}` });
    this.#sayLast(response);
  }

  #say(frame: Uint8Array): void {
    this.#control = frame;
    this.#writeNext();
  }

  /** What the sink has written before goes first; a pong that was not sent need not be. */
  #sayLast(frame: Uint8Array): void {
    if (this.#farewell !== "none") return;
    this.#farewell = "due";
    this.#say(frame);
  }

  #writeNext(): void {
    if (this.#writing !== "none") return;
    const control = this.#control;
    if (control !== null) {
      this.#control = null;
      this.#writing = "control";
      this.#inner.write(control);
    } else if (this.#data !== null && this.#farewell === "none") {
      this.#writing = "data";
      this.#inner.write(binaryFrame(this.#data));
    }
  }

  onWritten(): void {
    const wasData = this.#writing === "data";
    this.#writing = "none";
    if (wasData) this.#data = null;
    else if (this.#farewell === "due" && this.#control === null) {
      this.#farewell = "said";
      this.#onSaid?.();
    }
    this.#writeNext();
    if (wasData) this.#sink.onWritten();
  }
}

/** Behind the first empty line, or undefined. */
function findEnd(bytes: Uint8Array, from: number): number | undefined {
  for (let at = bytes.indexOf(0x0d, from); at !== -1; at = bytes.indexOf(0x0d, at + 1)) {
    if (bytes[at + 1] === 0x0a && bytes[at + 2] === 0x0d && bytes[at + 3] === 0x0a) return at + 4;
  }
  return undefined;
}

import type { Admission, PeerCertificate } from "../auth/authenticator.ts";
import type { DisconnectCause } from "../core/happening.ts";
import type { QoS } from "../core/message.ts";
import { Refusal, type RefusalCause } from "../core/refusal.ts";
import { mayKeepSubscription } from "../protocol/admission.ts";
import { Endpoint, type Transmitter } from "../protocol/endpoint.ts";
import { refusalOfFault } from "../protocol/reason_code.ts";
import type { ByteChannel, ByteSink } from "../transport/byte_channel.ts";
import { mayBeMqtt, strangerWords } from "../transport/other_protocol.ts";
import { WireFault } from "../wire/fault.ts";
import type { FrameReader } from "../wire/frame_reader.ts";
import type { OutboxPool } from "../wire/outbox_pool.ts";
import { packetName, PacketType } from "../wire/packet.ts";
import type { Reader } from "../transport/read_rounds.ts";
import type { Alarm, AlarmHandle } from "./clock.ts";
import type { ConnectionParts, ConnectionSource } from "./connection_parts.ts";
import type { ConnectionWriter } from "./connection_writer.ts";
import { Farewell, LINGER_MS } from "./farewell.ts";
import { Opening, type OpeningConnection } from "./opening.ts";

/** Who is told of the end of a connection. */
export interface ConnectionOwner {
  /** Called once. */
  onClosed(connection: Connection): void;
}

/** One client's connection from accept to close: feeds the frame reader, hands packets on, ends what has to end. It
 * dies with the socket; the session does not. */
export class Connection implements Alarm, ByteSink, OpeningConnection, Reader, Transmitter {
  readonly endpoint: Endpoint;
  readonly remoteAddress: string;
  readonly listener: string;
  readonly certificate: PeerCertificate | undefined;
  readonly #parts: ConnectionParts;
  readonly #channel: ByteChannel;
  /** Only while something is written. */
  #writer: ConnectionWriter | null = null;
  /** Only while packets are read, or a part of one has come: an idle connection has none. */
  #frames: FrameReader | null = null;
  /** Goes when the client is known, unless it may authenticate again. */
  #opening: Opening | null;
  #alarm: AlarmHandle | undefined;
  #lastReceivedAt: number;
  #farewell: Farewell | null = null;
  #isClosed = false;
  #owner: ConnectionOwner | undefined;
  /** What the client was let in by, where that may end or be taken back. */
  #admission: Admission | null = null;

  constructor(parts: ConnectionParts, source: ConnectionSource) {
    this.#parts = parts;
    this.#channel = source.channel;
    this.remoteAddress = source.remoteAddress;
    this.listener = source.listener;
    this.certificate = source.certificate;
    this.endpoint = new Endpoint({ settings: source.settings, writer: parts.writer, owner: this });
    this.#opening = new Opening(parts, this);
    this.#lastReceivedAt = parts.clock.now();
  }

  get outboxes(): OutboxPool {
    return this.#parts.outboxes;
  }

  get address(): string | undefined {
    return this.#parts.metering.keyOf(this.remoteAddress);
  }

  /** Serves the client until the connection has ended, of which the owner is told. */
  start(owner: ConnectionOwner): void {
    this.#owner = owner;
    this.#alarm = this.#parts.clock.set(this.#lastReceivedAt + this.#parts.connectTimeoutMs, this);
    this.#channel.start(this);
  }

  onChunk(chunk: Uint8Array): Promise<void> | undefined {
    const { clock, turn, traffic } = this.#parts;
    turn.now = clock.timeOfDay();
    traffic.bytesReceived += chunk.length;
    if (this.endpoint.isClosing) {
      if (!(this.#farewell ??= new Farewell()).takes(chunk.length)) this.onEnd();
      return undefined;
    }
    if (this.#frames === null && !this.#hasConnect && !mayBeMqtt(chunk)) {
      this.#refuse(new Refusal("protocol-error", strangerWords(chunk, "MQTT")));
      this.onEnd(); // whatever length it promises, it will never be a CONNECT ([MQTT-3.1.0-1])
      return undefined;
    }
    (this.#frames ??= this.#takeFrames()).push(chunk);
    try {
      const pending = this.#process();
      if (pending !== undefined) return this.#readAfter(pending);
    } catch (error) {
      this.#onDefect(error);
    }
    return this.#rest();
  }

  async #readAfter(pending: Promise<void>): Promise<void> {
    await pending.catch((error) => this.#onDefect(error));
    await this.#rest();
  }

  /** What the next read has to wait for: the disk, or a client that does not read. */
  #rest(): Promise<void> | undefined {
    if (this.#parts.loop.isOverloaded) return this.#onRoom();
    return this.#isClosed ? undefined : this.#writer?.untilTaken();
  }

  /** So much waits for the disk that nothing more is read until some of it has been written; the client's keep-alive counts from then on. */
  #onRoom(): Promise<void> {
    const { loop, clock } = this.#parts;
    const heard = () => void (this.#lastReceivedAt = clock.now());
    return loop.settled().then(heard, () => this.abort()); // the store failed, which is told elsewhere
  }

  /** The client has done nothing wrong: its connection ends, and the operator is told. */
  #onDefect(error: unknown): void {
    this.#explain(error);
    this.abort();
  }

  /** For the session a broken connection is the same as its end without DISCONNECT. */
  onEnd(): void {
    if (this.#alarm !== undefined) this.#parts.clock.cancel(this.#alarm);
    this.#detach("connection-lost");
    this.#close();
  }

  /** The id of a client that leaves it to the broker. */
  randomId(): string {
    return `weir-${crypto.randomUUID()}`;
  }

  /** Tells the client why and ends the connection once that has been written. */
  end(cause: RefusalCause, reason = ""): void {
    this.endpoint.close({ outcome: cause, reason });
    this.#detach(cause);
    this.transmit();
  }

  /** Looks after deadlines: CONNECT, keep-alive ([MQTT-3.1.2-22]), a peer that takes nothing. */
  ring(now: number): number {
    const { endpoint } = this;
    const { writeTimeoutMs, loop } = this.#parts;
    if (this.#isClosed) return Infinity;
    if (this.#writer !== null && now - this.#writer.since >= writeTimeoutMs) {
      this.#detach("write-timeout");
      this.#close();
      return Infinity;
    }
    if (endpoint.isClosing) return now + LINGER_MS;
    this.#parts.turn.now = this.#parts.clock.timeOfDay(now);
    if (!endpoint.isOpen) {
      this.#refuse(new Refusal("maximum-connect-time", "No CONNECT has been completed in time"));
      return now + LINGER_MS;
    }
    if (loop.isOverloaded) this.#lastReceivedAt = now; // who is not read cannot be heard
    if (this.#silentUntil <= now) {
      this.#refuse(new Refusal("keep-alive-timeout", "Nothing was heard for longer than the keep-alive allows"));
      return now + LINGER_MS;
    }
    const expiresAt = this.#admission?.expiresAt ?? Infinity;
    if (expiresAt <= this.#parts.turn.now) {
      this.#refuse(new Refusal("not-authorized", "What the client has logged in with has expired"));
      return now + LINGER_MS;
    }
    return Math.min(this.#silentUntil, now + writeTimeoutMs, now + expiresAt - this.#parts.turn.now);
  }

  /** Ends the connection when what let it in is no longer so. */
  endIfRevoked(): void {
    if (this.#isClosed || this.#admission?.holds === undefined || this.#admission.holds()) return;
    this.#parts.turn.now = this.#parts.clock.timeOfDay();
    this.#refuse(new Refusal("not-authorized", "What the client has logged in with holds no longer"));
  }

  /** Takes the subscriptions that the client's policy does not allow any more; a client that loses one is disconnected, since nothing
   * else could tell it. */
  endIfForbidden(): void {
    const { endpoint } = this;
    const { session } = endpoint;
    if (this.#isClosed || session === null || endpoint.hasLeft) return;
    const { broker, turn, clock } = this.#parts;
    turn.now = clock.timeOfDay();
    const mayKeep = (filter: string, qos: QoS) => mayKeepSubscription(endpoint, session, { filter, qos });
    if (broker.prune(session, mayKeep, turn) === 0) return;
    this.#refuse(new Refusal("not-authorized", "A subscription is not allowed any more"));
  }

  /** Rate limits have changed. */
  meterAgain(): void {
    const { session } = this.endpoint;
    if (session === null || this.#isClosed) return;
    const { clientId, username } = session;
    this.#parts.metering.renew(this.endpoint, { remoteAddress: this.remoteAddress, clientId, username });
  }

  get #hasConnect(): boolean {
    return this.#opening === null || this.#opening.hasConnect;
  }

  /** As CONNECT has said; empty before. */
  get #clientId(): string {
    return this.endpoint.session?.clientId ?? this.#opening?.clientId ?? "";
  }

  /** When the client's silence ends the connection, in milliseconds. */
  get #silentUntil(): number {
    const { keepAliveSeconds, settings } = this.endpoint;
    if (keepAliveSeconds === 0) return Infinity;
    return this.#lastReceivedAt + keepAliveSeconds * 1000 * (settings.strictKeepAlive ? 1.5 : 3);
  }

  /** Ends the connection at once, without a word. */
  abort(): void {
    this.#detach("connection-lost");
    this.#close();
  }

  #takeFrames(): FrameReader {
    const frames = this.#parts.frames.take();
    const { connectBytesMax, packetBytesMax } = this.endpoint.settings;
    frames.packetBytesMax = this.#hasConnect ? packetBytesMax : connectBytesMax;
    return frames;
  }

  /** Handles the packets that have arrived. Answers a promise when one of them has to wait for authentication; the chunk stays
   * valid, since nothing is read meanwhile. */
  #process(): Promise<void> | undefined {
    const { endpoint } = this;
    const frames = this.#frames!;
    try {
      while (!endpoint.isClosing && !endpoint.hasLeft && frames.next()) {
        this.#parts.traffic.packetsReceived++;
        this.#lastReceivedAt = this.#parts.clock.recent; // bytes of a packet that never ends do not count ([MQTT-3.1.2-22])
        if (endpoint.isOpen && frames.first >> 4 !== PacketType.auth) {
          const breath = this.#handle(frames) ?? this.#breath();
          if (breath !== undefined) return this.#processAfter(breath);
          continue;
        }
        const pending = this.#handleOpening(frames);
        if (pending !== undefined) return this.#processAfter(pending);
      }
    } catch (error) {
      this.#parts.loop.settle(); // what earlier packets led to is said before the refusal
      this.#refuse(error);
    }
    this.#parts.loop.settle();
    if (this.#parts.frames.give(frames)) this.#frames = null;
    return endpoint.hasLeft ? this.#parts.loop.settled().then(() => this.#leave(), () => this.#close()) : undefined;
  }

  /** A client that has said DISCONNECT sees its connection closed when what it asked before is answered, and the end of its session, or
   * of its will, is on disk. */
  #leave(): void {
    this.endpoint.isClosing = true;
    this.transmit();
  }

  /** What the next packet has to wait for: the rate limits, the disk, or others who want their turn. */
  #breath(): Promise<void> | undefined {
    const { endpoint } = this;
    const { loop, metering } = this.#parts;
    const ms = endpoint.meter === null ? 0 : metering.pauseOf(endpoint);
    if (ms > 0) return this.#pause(ms);
    if (!loop.isLaden) return undefined;
    return this.#pass();
  }

  /** Others have their turn first, and what waits for the disk. */
  #pass(): Promise<void> {
    const { loop, rounds } = this.#parts;
    loop.settle();
    return loop.isOverloaded ? this.#onRoom() : rounds.pass();
  }

  /** Answers what the rest of a packet takes that is done in parts. */
  #handle(frames: FrameReader): Promise<void> | undefined {
    const rest = this.#parts.packets.handle(this.endpoint, frames);
    return rest ? this.#inParts(rest) : undefined;
  }

  /** Does what is left of a packet with many filters; others get their turn before each part. Nothing more is done for a client that has
   * lost its session meanwhile. */
  async #inParts(rest: Iterator<void>): Promise<void> {
    const { endpoint } = this;
    const { clock, turn } = this.#parts;
    do {
      await this.#pass();
      if (endpoint.isClosing || endpoint.hasLeft) return;
      turn.now = clock.timeOfDay();
    } while (!rest.next().done);
  }

  /** The client has done more than it may: it is not read for so long, and its keep-alive counts from then on. */
  #pause(ms: number): Promise<void> {
    this.#parts.loop.settle();
    this.#lastReceivedAt += Math.ceil(ms);
    return this.#parts.metering.pause(ms);
  }

  async #processAfter(pending: Promise<void>): Promise<void> {
    try {
      await pending;
    } catch (error) {
      this.#refuse(error);
    }
    this.#parts.turn.now = this.#parts.clock.timeOfDay();
    await this.#process();
  }

  /** CONNECT, the AUTH packets that may follow, and AUTH of a client that is connected. */
  #handleOpening(frames: FrameReader): Promise<void> | undefined {
    const { endpoint } = this;
    const type = frames.first >> 4;
    if (endpoint.session !== null && !endpoint.isOpen) { // CONNACK waits for the disk: packets may come behind CONNECT ([MQTT-3.1.4-5])
      return this.#parts.loop.settled().then(() => this.#handleOpened(frames));
    }
    if (type === PacketType.auth && endpoint.version === 5 && this.#opening?.isAuthExpected) {
      return this.#opening.onAuth(frames);
    }
    if (type === PacketType.connect && this.#opening?.hasConnect === false) return this.#opening.onConnect(frames);
    throw new Refusal("protocol-error", `Cannot accept ${packetName(type)} now`); // [MQTT-3.1.0-1], [MQTT-4.12.0-6]
  }

  /** A packet that has waited for CONNACK. */
  #handleOpened(frames: FrameReader): Promise<void> | undefined {
    if (this.endpoint.isClosing) return undefined;
    return frames.first >> 4 === PacketType.auth ? this.#handleOpening(frames) : this.#handle(frames);
  }

  /** The client is known: from now on it is the keep-alive, the writes and the end of what it has shown that are looked after. */
  onAdmitted(admission: Admission): void {
    if (!this.#opening!.isAuthExpected) this.#opening = null;
    const { expiresAt = Infinity, holds } = admission;
    const { clock, writeTimeoutMs, turn } = this.#parts;
    this.#admission = expiresAt === Infinity && holds === undefined ? null : admission;
    const next = Math.min(this.#silentUntil, clock.recent + Math.min(writeTimeoutMs, expiresAt - turn.now));
    if (next >= this.#alarm!.at) return; // the alarm that is set comes early enough
    clock.cancel(this.#alarm!);
    this.#alarm = clock.set(next, this);
  }

  /** What the peer did ends the connection: it is told why where the version can, and the will is due. */
  #refuse(error: unknown): void {
    const { endpoint } = this;
    const [cause, reason] = this.#explain(error);
    if (endpoint.isClosing) return;
    this.#parts.traffic.countRefusal(cause);
    const { remoteAddress, listener } = this;
    const clientId = this.#clientId;
    this.#parts.onRefusal({ kind: "connection-refused", remoteAddress, listener, clientId, cause, reason });
    if (endpoint.isOpen) {
      endpoint.close({ outcome: cause, reason });
    } else {
      if (this.#maySayConnack(error)) endpoint.dialect.refuse(endpoint, { cause, reason });
      endpoint.isClosing = true;
    }
    this.#detach(cause);
    this.transmit();
  }

  #explain(error: unknown): [RefusalCause, string] {
    if (error instanceof WireFault) return [refusalOfFault[error.fault], error.message];
    if (error instanceof Refusal) return [error.refusal, error.message];
    this.#parts.onError(error, `connection of "${this.#clientId}" from ${this.remoteAddress}`);
    return ["unspecified-error", ""];
  }

  /** Only a CONNECT is answered by CONNACK; one that could not be read, when its version could. */
  #maySayConnack(error: unknown): boolean {
    if (this.#hasConnect) return true;
    if (!(error instanceof WireFault) || error.version === undefined) return false;
    this.endpoint.version = error.version === 5 ? 5 : 4; // a level nobody knows is told in the older form, as by mosquitto
    return true;
  }

  #detach(cause: DisconnectCause): void {
    const { broker, turn, loop } = this.#parts;
    const { endpoint } = this;
    endpoint.isClosing = true;
    if (endpoint.session === null || endpoint.hasLeft) return;
    turn.now = this.#parts.clock.timeOfDay();
    broker.detach(endpoint.session, { peer: endpoint, cause }, turn);
    loop.settle();
  }

  /** Writes what the outbox holds, now or behind what is being written. */
  transmit(): void {
    const { endpoint } = this;
    if (this.#isClosed) return;
    if (this.#writer !== null) this.#writer.noteBacklog();
    else if (endpoint.waitingBytes > 0) this.#writer = this.#parts.writers.begin(endpoint, this.#channel);
    else if (endpoint.isClosing) this.#onSaid();
  }

  onWritten(): void {
    const { endpoint } = this;
    const { rounds, writers } = this.#parts;
    const bytes = endpoint.unwrittenBytes;
    if (!this.#writer!.onWritten()) return;
    writers.give(this.#writer!);
    this.#writer = null;
    this.transmit();
    if (endpoint.waitingBytes > endpoint.settings.outboxBytesMax / 2) return;
    endpoint.congested = false;
    // By turns, as reading: a socket that takes all at once would have its whole queue before others were looked at.
    if (endpoint.session?.canSend) rounds.again(this, bytes);
  }

  /** Its turn has come to send on what waits in the session. */
  read(): void {
    const { endpoint } = this;
    const { session } = endpoint;
    if (session === null || endpoint.hasLeft || !session.canSend) return;
    const { turn, loop, clock } = this.#parts;
    turn.now = clock.timeOfDay();
    session.pump(turn);
    loop.settle();
  }

  /** The last word is written: ends the sending side and gives the peer a moment to read it. */
  #onSaid(): void {
    const farewell = this.#farewell ??= new Farewell();
    if (farewell.hasBegun) return;
    this.#detach("packet-too-large"); // of an answer, or its session has gone before
    this.#channel.shutdown().catch(() => this.#close());
    farewell.begin(this.#parts.clock, () => this.#close());
  }

  #close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#writer?.end();
    this.endpoint.isClosing = true;
    this.#parts.metering.end(this.endpoint);
    this.#farewell?.end(this.#parts.clock);
    this.#channel.close();
    this.#owner?.onClosed(this);
  }
}

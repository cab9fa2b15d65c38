import { getLogger } from "@logtape/logtape";
import type { Gateway } from "../bridge/gateway.ts";
import { HttpBridge, type HttpBridgeOptions } from "../bridge/http/handler.ts";
import { Broker } from "../core/broker.ts";
import type { Happening } from "../core/happening.ts";
import type { StoredState } from "../core/mutation.ts";
import type { StoredQueues } from "../core/queue/mutation.ts";
import { restore } from "../core/restore.ts";
import { type AdjustableLimits, assertLimits } from "../core/limits.ts";
import { Topic } from "../core/topic.ts";
import { Turn } from "../core/turn.ts";
import { ConnectHandler } from "../protocol/connect_handler.ts";
import { PacketHandler } from "../protocol/packet_handler.ts";
import { RateLimiter } from "../protocol/rate_limiter.ts";
import { PublishWriter } from "../protocol/publish_writer.ts";
import { TopicTable } from "../protocol/topic_table.ts";
import { channelOf } from "../transport/byte_channel.ts";
import { ReadRounds } from "../transport/read_rounds.ts";
import type { TlsOptions } from "../transport/tls.ts";
import type { ByteStreams } from "../transport/transport.ts";
import { BufferPool } from "../wire/buffer_pool.ts";
import { OutboxPool } from "../wire/outbox_pool.ts";
import { FrameReaderPool } from "../wire/frame_reader_pool.ts";
import { encodeUtf8 } from "../wire/utf8.ts";
import { BridgeGateway } from "./bridge_gateway.ts";
import { type LocalQueues, openQueues } from "./local_queues.ts";
import type { BrokerQueues } from "./queue_api.ts";
import { Clock } from "./clock.ts";
import type { ListenCoapOptions } from "./coap_listener.ts";
import { CommitLoop } from "./commit_loop.ts";
import { CoreAlarm } from "./core_alarm.ts";
import { Connection } from "./connection.ts";
import type { ConnectionParts } from "./connection_parts.ts";
import { ConnectionTable } from "./connection_table.ts";
import { ConnectionWriters } from "./connection_writer.ts";
import { Happenings } from "./happenings.ts";
import { type ListenerAddress, Listeners, type ListenOptions, type ListenTlsOptions } from "./listeners.ts";
import { LocalClient } from "./local_client.ts";
import type { ReceivedMessage } from "./local_subscription.ts";
import {
  type BrokerOptions,
  endpointSettings,
  type ListenerPolicy,
  type ResolvedOptions,
  resolveOptions,
} from "./options.ts";
import { type FetchHandler, fetchHandler, type ListenHttpOptions } from "./http_listener.ts";
import { LoginGuard } from "./login_guard.ts";
import { Metering, type RateLimitOptions } from "./metering.ts";
import type { OutgoingMessage, SubscribeOptions } from "./program_options.ts";
import { SessionPages } from "./session_pages.ts";
import { StoreUpkeep } from "./store_upkeep.ts";
import { SysTopics } from "./sys_topics.ts";
import { Traffic } from "./traffic.ts";
import { VERSION } from "./version.ts";

/** An MQTT broker in this process. Start it, open listeners or hand it connections, publish and subscribe beside the clients;
 * `await using` stops it. Several may live in one process. */
export class WeirBroker {
  readonly #options: ResolvedOptions;
  readonly #queues: LocalQueues | undefined;
  readonly #turn: Turn;
  readonly #broker: Broker;
  readonly #loop: CommitLoop;
  readonly #alarm: CoreAlarm;
  readonly #pages: SessionPages;
  readonly #clock = new Clock();
  readonly #traffic = new Traffic();
  readonly #rounds = new ReadRounds();
  readonly #happenings: Happenings;
  readonly #topics: TopicTable;
  readonly #metering: Metering;
  readonly #parts: ConnectionParts;
  readonly #connections: ConnectionTable;
  readonly #listeners: Listeners;
  readonly #gateway: BridgeGateway;
  readonly #program: LocalClient;
  readonly #startedAt = this.#clock.now();
  readonly #finished = Promise.withResolvers<void>();
  #stopping: Promise<void> | undefined;
  #failure: Error | undefined;

  /** Use {@link WeirBroker.start}. */
  private constructor(options: ResolvedOptions) {
    this.#options = options;
    this.#turn = new Turn(options.limits);
    const decide = <T>(decide: (turn: Turn) => T) => this.#decide(decide);
    this.#queues = openQueues(options, {
      decide,
      settled: () => this.#loop.settled(),
      onFailure: (e) => this.#fail(e),
    });
    this.#broker = new Broker(options.limits, this.#queues?.sessions);
    this.#alarm = new CoreAlarm({ broker: this.#broker, clock: this.#clock, decide });
    this.#finished.promise.catch(() => {}); // told through `finished` to whoever looks; nobody has to
    this.#happenings = new Happenings(this.#turn, (error) => this.#onError(error, "watcher"));
    this.#topics = new TopicTable(options.limits);
    this.#connections = new ConnectionTable(options.connection.connectionsPerAddressMax);
    const buffers = new BufferPool();
    const writer = new PublishWriter(buffers);
    this.#metering = new Metering({
      limiter: new RateLimiter(options.rateLimits),
      clock: this.#clock,
      turn: this.#turn,
    }, options.rateLimits);
    this.#loop = new CommitLoop({
      turn: this.#turn,
      store: options.store,
      onHappening: (happening) => this.#happenings.tell(happening),
      onFailure: (error) => this.#fail(error),
      onRoundEnd: () => {
        writer.forget();
        this.#alarm.note();
      },
      onQueueLoad: (load) => this.#queues?.answer(load),
      onLoad: (session) => this.#pages.refill(session),
      pass: () => this.#rounds.pass(),
      onHandOn: (session, after) => this.#pages.handOn(session, after),
    });
    this.#pages = new SessionPages({
      broker: this.#broker,
      store: options.store,
      topicOf,
      decide,
      committed: () => this.#loop.isBehind ? this.#loop.settled() : undefined,
      onFailure: (error) => this.#fail(error),
    });
    this.#parts = this.#connectionParts(writer, buffers);
    this.#program = new LocalClient({ broker: this.#broker, topics: this.#topics, limits: options.limits, decide });
    const { protocol } = options;
    this.#gateway = new BridgeGateway({ ...this.#parts, topics: this.#topics, protocol, queues: this.#queues, decide });
    this.#listeners = new Listeners({ options, connections: this.#connections, connectionParts: this.#parts });
  }

  #connectionParts(writer: PublishWriter, buffers: BufferPool): ConnectionParts {
    const { failedLogins, authenticator, methods, connection } = this.#options;
    const guard = new LoginGuard(failedLogins, {
      clock: this.#clock,
      tell: (happening) => this.#happenings.tell(happening),
    });
    return {
      broker: this.#broker,
      turn: this.#turn,
      loop: this.#loop,
      clock: this.#clock,
      connects: new ConnectHandler(this.#broker, this.#topics, this.#turn),
      packets: new PacketHandler(this.#broker, this.#topics, this.#turn),
      writer,
      outboxes: new OutboxPool(buffers),
      frames: new FrameReaderPool(),
      writers: new ConnectionWriters({ clock: this.#clock, traffic: this.#traffic }),
      traffic: this.#traffic,
      authenticator: guard.authenticator(authenticator),
      methods: new Map([...methods].map(([name, method]) => [name, guard.method(method)])),
      metering: this.#metering,
      rounds: this.#rounds,
      connectTimeoutMs: connection.connectTimeoutMs,
      writeTimeoutMs: connection.writeTimeoutMs,
      onError: (error, context) => this.#onError(error, context),
      onRefusal: (refusal) => this.#happenings.tell(refusal),
    };
  }

  /** Makes a broker and brings back what its store holds. It listens nowhere yet.
   * @throws {RangeError} when limits contradict each other */
  static async start(options: BrokerOptions = {}): Promise<WeirBroker> {
    const resolved = resolveOptions(options);
    const weir = new WeirBroker(resolved);
    weir.#turn.now = weir.#clock.timeOfDay();
    const state = await resolved.store.load();
    const queues = await resolved.store.queues?.loadQueues();
    const { mayPublishStored } = resolved;
    restore(weir.#broker, { state, queues, topicOf, mayPublishStored }, weir.#turn);
    tellRestored(state, queues);
    weir.#queues?.defineAll(resolved.queues.definitions, weir.#turn);
    weir.#loop.noteRoom();
    weir.#loop.settle();
    weir.#alarm.start();
    weir.#startUpkeep();
    if (resolved.sysIntervalMs > 0) weir.#startSysTopics(resolved.sysIntervalMs);
    return weir;
  }

  /** Settles when the broker has stopped; rejects when it had to because its store failed, and when the store cannot be closed. */
  get finished(): Promise<void> {
    return this.#finished.promise;
  }

  /** The durable queues.
   * @throws {TypeError} when the store keeps none */
  get queues(): BrokerQueues {
    this.#assertRunning("use durable queues");
    if (this.#queues === undefined) throw new TypeError("Cannot use durable queues: the store keeps none");
    return this.#queues;
  }

  /** The broker as a door that does not speak MQTT sees it, for doors of your own. */
  get gateway(): Gateway {
    return this.#gateway;
  }

  /** Opens a TCP listener.
   * @throws {Deno.errors.AddrInUse} and whatever else the system says */
  listen(options: ListenOptions = {}): ListenerAddress {
    this.#assertRunning("listen");
    return this.#listeners.open(options);
  }

  /** Opens a TLS listener, on port 8883 unless told otherwise.
   * @throws {Error} when certificate, key or lists are not usable, and as the system says */
  async listenTls(options: ListenTlsOptions): Promise<ListenerAddress> {
    this.#assertRunning("listen");
    return await this.#listeners.openTls(options);
  }

  /** Opens an HTTP listener, on port 8080 unless told otherwise.
   * @throws {Error} as the system says, with its code (`EADDRINUSE`) */
  async listenHttp(options: ListenHttpOptions = {}): Promise<ListenerAddress> {
    this.#assertRunning("listen");
    return await this.#listeners.openHttp(options, this.#gateway);
  }

  /** The HTTP bridge without a listener, for a server of your own: `Deno.serve(broker.httpHandler())`. `name` stands for the listener. */
  httpHandler(options: HttpBridgeOptions & { readonly name?: string } = {}): FetchHandler {
    const { name: listener = "http" } = options;
    const onError = (error: unknown, context: string) => this.#onError(error, context);
    return fetchHandler(new HttpBridge({ ...options, gateway: this.#gateway, listener, onError }));
  }

  /** Opens a CoAP listener over UDP, on port 5683 unless told otherwise.
   * @throws {Deno.errors.AddrInUse} and whatever else the system says */
  listenCoap(options: ListenCoapOptions = {}): ListenerAddress {
    this.#assertRunning("listen");
    return this.#listeners.openCoap(options, this.#gateway);
  }

  /** Renews what the TLS listener called `name` shows and asks for. Connections that are open stay; the next handshake gets the new one.
   * @throws {RangeError} when there is no such listener, or it would ask another thing of its clients than at the opening
   * @throws {Error} when certificate, key or lists are not usable; everything is as before then */
  async renewTls(name: string, tls: TlsOptions): Promise<void> {
    await this.#listeners.renewTls(name, tls);
  }

  /** Disconnects the clients whose admission no longer holds (`Admission.holds`). Call it when users have changed. */
  endRevoked(): void {
    this.#connections.endRevoked();
    this.#gateway.endRevoked();
  }

  /** Takes the subscriptions that policies do not allow any more; clients that lose one are disconnected (MQTT 5: 0x87). Call it when
   * rules have changed; sessions that are away are looked at when their client is back. */
  endForbidden(): void {
    const pass = () => this.#rounds.pass();
    this.#connections.endForbidden(pass).catch((error) => this.#onError(error, "endForbidden"));
    this.#gateway.endForbidden();
  }

  /** Changes limits of sessions, queues and retained messages while the broker runs. What is there already stays.
   * @throws {RangeError} when limits contradict each other; nothing has changed then */
  adjustLimits(limits: Partial<AdjustableLimits>): void {
    assertLimits({ ...this.#options.limits, ...limits });
    Object.assign(this.#options.limits, limits);
  }

  /** Changes how much clients may do in which time, for everybody who is connected too. */
  adjustRateLimits(limits: RateLimitOptions): void {
    this.#metering.configure(limits);
    this.#connections.meterAgain();
  }

  /** Serves a client over any pair of Web Streams; resolves when its connection has ended. */
  async accept(
    streams: ByteStreams,
    policy: ListenerPolicy & { remoteAddress?: string; listener?: string } = {},
  ): Promise<void> {
    this.#assertRunning("accept a connection");
    const { remoteAddress = "", listener = "" } = policy;
    const settings = endpointSettings(this.#options, policy);
    const source = { channel: channelOf(streams), remoteAddress, listener, settings };
    const connection = new Connection(this.#parts, source);
    await new Promise<void>((resolve) => this.#connections.track(connection, resolve));
  }

  /** Publishes a message; resolves when it is as safe as the store makes it.
   * @throws {Refusal} topic-name-invalid
   * @throws {Refusal} retain-not-supported when the limits rule that out
   * @throws {Refusal} quota-exceeded when it would have to be stored and the storage is full
   * @throws {RangeError} for a QoS or an expiry that MQTT does not have
   * @throws {TypeError} for a payload that is neither text nor a Uint8Array */
  async publish(message: OutgoingMessage): Promise<void> {
    this.#assertRunning("publish");
    this.#program.publish(message);
    await this.#loop.settled();
  }

  /** Subscribes; read the answer as a stream or with `for await`. Leaving the loop or cancelling the stream unsubscribes. The reader
   * sets the pace: see {@link SubscribeOptions.highWaterMark}.
   * @throws {Refusal} topic-filter-invalid
   * @throws {RangeError} for a QoS that MQTT does not have, or a high-water mark that is no whole number from 1 on */
  subscribe(filter: string, options: SubscribeOptions = {}): ReadableStream<ReceivedMessage> {
    this.#assertRunning("subscribe");
    return this.#program.subscribe(filter, options);
  }

  /** Calls `onHappening` for what comes to pass from now on, once it is committed; call the answer to end that. With `messages`, also
   * for each message that is published and delivered, which costs something for each. */
  watch(onHappening: (happening: Happening) => void, options: { messages?: boolean } = {}): () => void {
    return this.#happenings.watch({ onHappening, watchesMessages: options.messages ?? false });
  }

  /** As {@link WeirBroker.watch}, as a stream; it ends with the broker. A reader that is 10,000 behind misses the newest. */
  happenings(options: { messages?: boolean } = {}): ReadableStream<Happening> {
    this.#assertRunning("watch");
    return this.#happenings.stream({ watchesMessages: options.messages ?? false });
  }

  /** Stops: no new connections, clients are told (0x8B) and given a moment, the store is closed. Calling it again waits for the same
   * stop. */
  stop(): Promise<void> {
    return this.#stopping ??= this.#stop();
  }

  /** Stops the broker, as {@link WeirBroker.stop}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #stop(): Promise<void> {
    const { shutdownTimeoutMs } = this.#options;
    const deadline = this.#clock.now() + shutdownTimeoutMs;
    this.#gateway.drain();
    await this.#listeners.close(); // whoever has come in is known when this has settled
    await this.#connections.endAll("server-shutting-down", shutdownTimeoutMs);
    await this.#listeners.closeBridges(Math.max(0, deadline - this.#clock.now()));
    this.#rounds.close();
    this.#endStreams();
    await this.#loop.settled().catch(() => {}); // told by what #fail left
    if (this.#failure !== undefined) return await this.#abort(this.#failure);
    this.#clock.stop();
    this.#finished.resolve(this.#closeStore());
    await this.#finished.promise;
  }

  async #closeStore(): Promise<void> {
    try {
      await this.#options.store.close();
    } catch (cause) {
      throw new Error("The store could not be closed", { cause });
    }
  }

  #endStreams(): void {
    this.#queues?.close();
    this.#program.close();
    this.#happenings.close();
  }

  /** Lets the core decide, then persists and speaks. */
  #decide<T>(decide: (turn: Turn) => T): T {
    this.#turn.now = this.#clock.timeOfDay();
    try {
      return decide(this.#turn);
    } finally {
      this.#loop.settle(); // what was decided before it threw, too
    }
  }

  #startUpkeep(): void {
    new StoreUpkeep({
      store: this.#options.store,
      clock: this.#clock,
      noteRoom: () => this.#decide(() => this.#loop.noteRoom()),
      onFailure: (error) => this.#fail(error),
    }).start();
  }

  #startSysTopics(intervalMs: number): void {
    const topics = new SysTopics({
      broker: this.#broker,
      turn: this.#turn,
      traffic: this.#traffic,
      version: VERSION,
      limiter: this.#metering.limiter,
      store: this.#options.store,
    });
    this.#clock.set(this.#clock.now(), {
      ring: (now) => {
        this.#decide(() => topics.publish(now - this.#startedAt));
        return now + intervalMs;
      },
    });
  }

  #assertRunning(action: string): void {
    if (this.#failure !== undefined) throw new Error(`Cannot ${action}: the store failed`, { cause: this.#failure });
    if (this.#stopping !== undefined) throw new Error(`Cannot ${action}: the broker has stopped`);
  }

  #onError(error: unknown, context: string): void {
    getLogger(["weir"]).error("{context}: {error}", { context, error });
  }

  /** The store failed: memory is ahead of the disk, so nothing more may be said. */
  #fail(cause: unknown): void {
    this.#failure ??= new Error("The store failed; what was not acknowledged may be lost", { cause });
    if (this.#stopping === undefined) this.#stopping = this.#abort(this.#failure);
    else void this.#connections.cutAll(); // the stop under way goes on to what an abort does
  }

  async #abort(error: Error): Promise<void> {
    this.#gateway.drain();
    const closed = this.#listeners.close();
    this.#clock.stop();
    this.#endStreams();
    await closed;
    await this.#listeners.closeBridges(0);
    await this.#connections.cutAll();
    this.#rounds.close();
    await this.#closeStore().catch((error) => this.#onError(error, "store"));
    this.#finished.reject(error);
  }
}

function topicOf(name: string): Topic {
  return new Topic(name, encodeUtf8(name));
}

/** To the log, where there was anything; the queues without those of dead letters. */
function tellRestored({ sessions, retained }: StoredState, { queues = [] }: Partial<StoredQueues> = {}): void {
  const named = queues.filter(({ definition }) => !definition.name.includes("/"));
  const counts = { sessions: sessions.length, retained: retained.length, queues: named.length };
  if (Object.values(counts).every((count) => count === 0)) return;
  getLogger(["weir"]).info("restored sessions: {sessions}, retained messages: {retained}, queues: {queues}", counts);
}

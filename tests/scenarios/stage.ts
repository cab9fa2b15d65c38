// Where a scenario is played: the core, the real commit loop, a store that tells what it commits, a clock that is set by hand.
import { Broker } from "../../src/core/broker.ts";
import { type Send, SendKind } from "../../src/core/effects.ts";
import { DEFAULT_LIMITS, type Limits } from "../../src/core/limits.ts";
import type { QoS } from "../../src/core/message.ts";
import type { Mutation } from "../../src/core/mutation.ts";
import { restore } from "../../src/core/restore.ts";
import type { Session } from "../../src/core/session.ts";
import { Turn } from "../../src/core/turn.ts";
import { CommitLoop, type Speaker } from "../../src/server/commit_loop.ts";
import { MemoryStore } from "../../src/store/memory.ts";
import { inWords, messageOf, optionsOf, topicOf, willOf } from "../core/building.ts";
import { type Command, Options, secondsOf } from "./command.ts";
import { happeningInWords, mutationInWords } from "./wording.ts";

/** A client's connection: it writes down what it is told. */
class Connection implements Speaker {
  congested = false;
  isOpen = false;
  isDirty = false;
  heldSubacks = 0;
  heldAnswers = 0;
  session: Session | null = null;
  constructor(readonly name: string, readonly hear: (line: string) => void) {}

  speak(send: Send): void {
    if (send.kind === SendKind.connack) this.isOpen = true;
    this.hear(inWords(send));
  }

  transmit(): void {}
}

/** Plays the commands of one scenario. */
export class Stage {
  readonly #store = new MemoryStore();
  readonly #connections = new Map<string, Connection>();
  #limits: Limits = DEFAULT_LIMITS;
  #turn = new Turn(this.#limits);
  #broker = new Broker(this.#limits);
  #loop = this.#newLoop();
  #now = 1_700_000_000_000;
  #heard: string[] = [];
  /** Set while the disk is slow: lets the commit under way finish. */
  #finish: (() => void) | undefined;
  #isDiskSlow = false;
  #lastPacketId = 100;

  /** Plays one command and answers what was committed and said, in order. */
  async play(command: Command): Promise<string[]> {
    this.#heard = [];
    const options = new Options(command);
    this.#turn.now = this.#now;
    const act = this.#commands[command.name];
    if (act === undefined) throw new SyntaxError(`Cannot run "${command.name}": there is no such command`);
    await act(command.words, options);
    options.end();
    await this.#settle();
    return this.#heard;
  }

  readonly #commands: Readonly<Record<string, (words: readonly string[], options: Options) => void | Promise<void>>> = {
    limits: (_, options) => this.#setLimits(options),
    connect: ([who], options) => this.#connect(who, options),
    disconnect: ([who], options) => this.#end(who, "normal", options.seconds("expiry")),
    drop: ([who]) => this.#end(who, "connection-lost"),
    kick: ([who]) => this.#broker.endSession(this.#session(who), this.#turn),
    subscribe: ([who, ...filters], options) => this.#subscribe(who, filters, options),
    unsubscribe: ([who, ...filters]) => {
      this.#broker.unsubscribe(this.#session(who), { packetId: ++this.#lastPacketId, filters }, this.#turn);
    },
    publish: ([who, topic, payload = ""], options) => this.#publish(who, { topic, payload }, options),
    puback: ([who, id]) => void this.#session(who).settle(Number(id), this.#turn),
    pubcomp: ([who, id]) => void this.#session(who).settle(Number(id), this.#turn),
    pubrec: ([who, id]) => {
      this.#session(who).release(Number(id), this.#turn);
      this.#turn.effects.acknowledge(SendKind.pubrel, this.#connection(who), Number(id));
    },
    pubrel: ([who, id]) => {
      const isKnown = this.#session(who).forget(Number(id), this.#turn);
      const send = this.#turn.effects.acknowledge(SendKind.pubcomp, this.#connection(who), Number(id));
      if (!isKnown) send.outcome = "packet-identifier-not-found";
    },
    advance: ([time]) => this.#advance(secondsOf(time) * 1000),
    disk: ([speed]) => this.#setDisk(speed),
    crash: () => this.#crash(),
  };

  #setLimits(options: Options): void {
    const limits: Record<string, unknown> = { ...DEFAULT_LIMITS };
    for (const name of Object.keys(DEFAULT_LIMITS)) {
      const text = options.text(name);
      if (text !== undefined) limits[name] = /^\d+$/.test(text) ? Number(text) : text;
    }
    this.#limits = limits as unknown as Limits;
    this.#start();
  }

  #connect(who: string, options: Options): void {
    const connection = new Connection(who, (line) => this.#heard.push(line));
    const will = options.text("will");
    connection.session = this.#broker.attach({
      origin: { remoteAddress: "", listener: "", protocolVersion: 5 },
      clientId: who,
      username: undefined,
      peer: connection,
      clean: options.flag("clean"),
      expirySeconds: options.seconds("expiry") ?? 0,
      receiveMaximum: options.number("receive-maximum", 65_535),
      will: will === undefined ? undefined : willOf(will, {
        payload: `${who} is gone`,
        qos: options.number("will-qos", 0) as QoS,
        delaySeconds: options.seconds("will-delay") ?? 0,
        retain: options.flag("will-retain"),
      }),
    }, this.#turn);
    this.#connections.set(who, connection);
  }

  #end(who: string, cause: "normal" | "connection-lost", expirySeconds?: number): void {
    const peer = this.#connection(who);
    this.#connections.delete(who);
    this.#broker.detach(peer.session!, { peer, cause, expirySeconds }, this.#turn);
  }

  #subscribe(who: string, filters: readonly string[], options: Options): void {
    const terms = {
      qos: options.number("qos", 0) as QoS,
      noLocal: options.flag("no-local"),
      retainAsPublished: options.flag("retain-as-published"),
      retainHandling: options.number("retain-handling", 0) as 0 | 1 | 2,
      subscriptionId: options.number("id", 0),
    };
    const requests = filters.map((filter) => optionsOf(filter, terms));
    this.#broker.subscribe(this.#session(who), { packetId: ++this.#lastPacketId, requests }, this.#turn);
  }

  /** As the packet handler does it, acknowledgements included. `dup` changes nothing: the id tells. */
  #publish(who: string, { topic, payload }: { topic: string; payload: string }, options: Options): void {
    const qos = options.number("qos", 0) as QoS;
    const packetId = qos === 0 ? 0 : options.number("id", 0) || ++this.#lastPacketId;
    const expirySeconds = options.seconds("expiry");
    const expiresAt = expirySeconds === undefined ? Infinity : this.#now + expirySeconds * 1000;
    const message = messageOf(topic, { payload, qos, retain: options.flag("retain"), expiresAt });
    options.flag("dup");
    const session = this.#session(who);
    const isNew = qos < 2 || session.receive(packetId, this.#turn);
    const outcome = isNew ? this.#broker.publish(message, session, this.#turn) : "success";
    if (qos === 0) return;
    const kind = qos === 1 ? SendKind.puback : SendKind.pubrec;
    this.#turn.effects.acknowledge(kind, this.#connection(who), packetId).outcome = outcome;
  }

  /** Time passes; the core is called whenever something falls due, as the clock of the shell does. */
  async #advance(milliseconds: number): Promise<void> {
    const end = this.#now + milliseconds;
    for (let next = this.#broker.nextDeadline; next <= end; next = this.#broker.nextDeadline) {
      this.#turn.now = this.#now = Math.max(next, this.#now);
      this.#broker.tick(this.#turn);
      await this.#settle();
    }
    this.#turn.now = this.#now = end;
  }

  /** A slow disk takes the commit and does not answer before it is fast again. */
  #setDisk(speed: string): void {
    this.#isDiskSlow = speed === "slow";
    this.#finish?.();
    this.#finish = undefined;
  }

  /** The process dies with everything that is not on the disk, and starts again. */
  async #crash(): Promise<void> {
    this.#connections.clear();
    this.#isDiskSlow = false;
    this.#finish = undefined;
    this.#start();
    const state = await this.#store.load();
    restore(this.#broker, { state, topicOf }, this.#turn);
  }

  #start(): void {
    this.#turn = new Turn(this.#limits);
    this.#turn.now = this.#now;
    this.#broker = new Broker(this.#limits);
    this.#loop = this.#newLoop();
  }

  #newLoop(): CommitLoop {
    return new CommitLoop({
      turn: this.#turn,
      store: {
        load: () => this.#store.load(),
        close: () => this.#store.close(),
        page: (request) => this.#store.page(request),
        commit: (mutations) => this.#commit(mutations),
      },
      onHappening: (happening) => {
        const words = happeningInWords(happening);
        if (words !== undefined) this.#heard.push(words);
      },
      onFailure: (error) => {
        throw error;
      },
      onHandOn: () => {
        throw new Error("Cannot play this scenario: a queue is longer than memory holds of one");
      },
      onLoad: () => {
        throw new Error("Cannot play this scenario: a queue is longer than memory holds of one");
      },
      pass: () => Promise.resolve(),
      onQueueLoad: () => {}, // this stage has no queues
      onRoundEnd: () => {},
    });
  }

  #commit(mutations: readonly Mutation[]): void | Promise<void> {
    if (!this.#isDiskSlow) return this.#write(mutations);
    return new Promise((resolve) => {
      this.#finish = () => resolve(this.#write(mutations));
    });
  }

  #write(mutations: readonly Mutation[]): void {
    if (mutations.length > 0) this.#heard.push(`commit: ${mutations.map(mutationInWords).join(", ")}`);
    this.#store.commit(mutations);
  }

  /** Everything is said that may be said by now. */
  async #settle(): Promise<void> {
    this.#loop.settle();
    for (let i = 0; i < 50; i++) await Promise.resolve();
  }

  #session(who: string): Session {
    return this.#connection(who).session!;
  }

  #connection(who: string): Connection {
    const connection = this.#connections.get(who);
    if (connection === undefined) throw new Error(`Cannot act for ${who}: nobody of that name is connected`);
    return connection;
  }
}

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import mqttPacket, { type IConnackPacket, type IConnectPacket, type IPublishPacket, type Packet } from "mqtt-packet";

/** How long a test waits for something that should come at once. */
const PATIENCE_MS = 5_000;

/** What a CONNECT says; the defaults are a clean v5 session with a random id and no keep-alive. */
export interface ConnectOptions {
  readonly version?: 3 | 4 | 5;
  readonly clientId?: string;
  readonly clean?: boolean;
  readonly keepAlive?: number;
  readonly username?: string;
  readonly password?: string | Uint8Array;
  readonly will?: IConnectPacket["will"];
  readonly properties?: IConnectPacket["properties"];
}

/** A client made of a bare socket and mqtt-packet, so that the broker is tested against a codec that is not its own, and may be sent
 * any bytes. What it receives waits until a test asks for it. */
export class TestClient {
  readonly version: 3 | 4 | 5;
  clientId = "";
  connack: IConnackPacket | undefined;
  /** Every byte received, for tests that look at the encoding itself. */
  readonly bytes: number[] = [];
  readonly #connection: Deno.TcpConn;
  readonly #received: Packet[] = [];
  readonly #waiting: ((packet: Packet | undefined) => void)[] = [];
  readonly #ended = Promise.withResolvers<void>();
  #isEnded = false;
  #packetId = 0;

  private constructor(connection: Deno.TcpConn, version: 3 | 4 | 5) {
    this.#connection = connection;
    this.version = version;
    void this.#read();
  }

  static async open(port: number, version: 3 | 4 | 5): Promise<TestClient> {
    const connection = await Deno.connect({ hostname: "127.0.0.1", port });
    connection.setNoDelay(true);
    return new TestClient(connection, version);
  }

  /** Sends a packet as mqtt-packet writes it. */
  async send(packet: Packet): Promise<void> {
    await this.sendBytes(mqttPacket.generate(packet, { protocolVersion: this.version }));
  }

  /** Sends bytes as they are; hex digits may be grouped by spaces. */
  async sendBytes(data: Uint8Array | string): Promise<void> {
    const bytes = typeof data === "string" ? Buffer.from(data.replaceAll(" ", ""), "hex") : data;
    for (let sent = 0; sent < bytes.length;) sent += await this.#connection.write(bytes.subarray(sent));
  }

  /** The CONNECT that {@link connect} sends. */
  connectPacket(options: ConnectOptions = {}): IConnectPacket {
    this.clientId = options.clientId ?? `test-${crypto.randomUUID().slice(0, 13)}`;
    const { clean = true, keepAlive = 0, username, password, will, properties } = options;
    return {
      cmd: "connect",
      protocolId: this.version === 3 ? "MQIsdp" : "MQTT",
      protocolVersion: this.version,
      clientId: this.clientId,
      clean,
      keepalive: keepAlive,
      ...(username === undefined ? {} : { username }),
      ...(password === undefined ? {} : { password: Buffer.from(password as string) }),
      ...(will === undefined ? {} : { will }),
      ...(properties === undefined ? {} : { properties }),
    } as IConnectPacket;
  }

  /** Sends CONNECT and waits for a CONNACK that accepts it. */
  async connect(options: ConnectOptions = {}): Promise<IConnackPacket> {
    await this.send(this.connectPacket(options));
    this.connack = await this.expect("connack");
    assert.equal(this.connack.reasonCode ?? this.connack.returnCode, 0, "CONNACK refuses");
    return this.connack;
  }

  /** Subscribes to one filter and waits for SUBACK; answers the code for it. */
  async subscribe(filter: string, options: SubscribeWith = {}): Promise<number> {
    const { qos = 0, noLocal = false, retainAsPublished = false, retainHandling = 0, identifier, userProperties } =
      options;
    const messageId = this.nextPacketId();
    const v5 = this.version === 5 ? { nl: noLocal, rap: retainAsPublished, rh: retainHandling } : {};
    const says = { subscriptionIdentifier: identifier, userProperties };
    const properties = identifier === undefined && userProperties === undefined ? {} : { properties: says };
    await this.send(
      { cmd: "subscribe", messageId, subscriptions: [{ topic: filter, qos, ...v5 }], ...properties } as Packet,
    );
    const suback = await this.expect("suback");
    assert.equal(suback.messageId, messageId);
    return suback.granted[0] as number;
  }

  async unsubscribe(filter: string): Promise<number | undefined> {
    const messageId = this.nextPacketId();
    await this.send({ cmd: "unsubscribe", messageId, unsubscriptions: [filter] });
    const unsuback = await this.expect("unsuback");
    assert.equal(unsuback.messageId, messageId);
    return (unsuback.granted as number[] | undefined)?.[0];
  }

  /** Publishes and completes the handshake of the QoS; answers the reason code of PUBACK or PUBREC (0 before v5). */
  async publish(topic: string, payload: string | Uint8Array = "", options: PublishWith = {}): Promise<number> {
    const { qos = 0, retain = false, dup = false, properties } = options;
    const messageId = qos === 0 ? undefined : options.messageId ?? this.nextPacketId();
    const extra = properties === undefined ? {} : { properties };
    await this.send({
      cmd: "publish",
      topic,
      payload: Buffer.from(payload as string),
      qos,
      retain,
      dup,
      messageId,
      ...extra,
    });
    if (qos === 0) return 0;
    if (qos === 1) {
      const puback = await this.expect("puback");
      assert.equal(puback.messageId, messageId);
      return puback.reasonCode ?? 0;
    }
    const pubrec = await this.expect("pubrec");
    assert.equal(pubrec.messageId, messageId);
    if ((pubrec.reasonCode ?? 0) >= 0x80) return pubrec.reasonCode!;
    await this.send({ cmd: "pubrel", messageId });
    const pubcomp = await this.expect("pubcomp");
    assert.equal(pubcomp.messageId, messageId);
    return pubrec.reasonCode ?? 0;
  }

  /** The next packet, which must be of this kind. */
  async expect<C extends Packet["cmd"]>(cmd: C): Promise<Extract<Packet, { cmd: C }>> {
    const packet = await this.next();
    assert.ok(packet !== undefined, `the connection ended where ${cmd} was expected`);
    assert.equal(packet.cmd, cmd, `expected ${cmd}, got ${JSON.stringify(packet)}`);
    return packet as Extract<Packet, { cmd: C }>;
  }

  /** The next packet, which must be a PUBLISH; it is acknowledged (PUBACK, or PUBREC, PUBREL, PUBCOMP) unless told otherwise. */
  async receive(options: { acknowledge?: boolean } = {}): Promise<IPublishPacket> {
    const publish = await this.expect("publish");
    if (publish.qos === 0 || options.acknowledge === false) return publish;
    const { messageId } = publish;
    if (publish.qos === 1) {
      await this.send({ cmd: "puback", messageId });
      return publish;
    }
    await this.send({ cmd: "pubrec", messageId });
    const pubrel = await this.expect("pubrel");
    assert.equal(pubrel.messageId, messageId);
    await this.send({ cmd: "pubcomp", messageId });
    return publish;
  }

  /** The next packet, or undefined when the connection ends first. Fails when neither comes in time. */
  next(): Promise<Packet | undefined> {
    const packet = this.#received.shift();
    if (packet !== undefined) return Promise.resolve(packet);
    if (this.#isEnded) return Promise.resolve(undefined);
    return new Promise((resolve, reject) => {
      const patience = setTimeout(() => {
        this.#waiting.splice(this.#waiting.indexOf(settle), 1);
        reject(new Error(`Nothing was received within ${PATIENCE_MS} ms`));
      }, PATIENCE_MS);
      const settle = (packet: Packet | undefined) => {
        clearTimeout(patience);
        resolve(packet);
      };
      this.#waiting.push(settle);
    });
  }

  /** Shows that nothing else was sent: everything before the answer to a PINGREQ has arrived when that has. */
  async expectNothing(): Promise<void> {
    await this.send({ cmd: "pingreq" });
    const packet = await this.next();
    assert.equal(packet?.cmd, "pingresp", `expected nothing, got ${JSON.stringify(packet)}`);
  }

  /** Waits until the broker closes the connection; answers the reason code of its DISCONNECT, undefined without one. */
  async expectClosed(): Promise<number | undefined> {
    const packet = await this.next();
    if (packet === undefined) return undefined;
    assert.equal(packet.cmd, "disconnect", `expected the end, got ${JSON.stringify(packet)}`);
    const rest = await this.next();
    assert.equal(rest, undefined, `expected the end after DISCONNECT, got ${JSON.stringify(rest)}`);
    return (packet as { reasonCode?: number }).reasonCode ?? 0;
  }

  /** Says DISCONNECT and waits until the broker has closed the connection. */
  async disconnect(reasonCode = 0, properties: Record<string, unknown> = {}): Promise<void> {
    await this.send({ cmd: "disconnect", reasonCode, properties } as Packet);
    await this.#ended.promise;
    this.close();
  }

  /** Drops the connection without a word and waits until the socket is gone. */
  close(): void {
    try {
      this.#connection.close();
    } catch {
      // closed before
    }
  }

  /** A packet id that this client has not used yet. */
  nextPacketId(): number {
    return ++this.#packetId;
  }

  async #read(): Promise<void> {
    const parser = mqttPacket.parser({ protocolVersion: this.version });
    parser.on("packet", (packet: Packet) => this.#deliver(packet));
    parser.on("error", (error: Error) => this.#deliver({ cmd: "unparsable", error } as unknown as Packet));
    const buffer = new Uint8Array(64 * 1024);
    try {
      for (
        let count = await this.#connection.read(buffer);
        count !== null;
        count = await this.#connection.read(buffer)
      ) {
        const chunk = buffer.slice(0, count);
        if (this.bytes.length < 1_000_000) this.bytes.push(...chunk);
        parser.parse(Buffer.from(chunk));
      }
    } catch {
      // reset by the broker, or closed by the test: the end either way
    }
    this.#isEnded = true;
    this.#ended.resolve();
    for (const settle of this.#waiting.splice(0)) settle(undefined);
  }

  #deliver(packet: Packet): void {
    const settle = this.#waiting.shift();
    if (settle === undefined) this.#received.push(packet);
    else settle(packet);
  }
}

/** Options of {@link TestClient.subscribe}. */
export interface SubscribeWith {
  readonly qos?: 0 | 1 | 2;
  readonly noLocal?: boolean;
  readonly retainAsPublished?: boolean;
  readonly retainHandling?: 0 | 1 | 2;
  readonly identifier?: number;
  readonly userProperties?: Readonly<Record<string, string>>;
}

/** Options of {@link TestClient.publish}. */
export interface PublishWith {
  readonly qos?: 0 | 1 | 2;
  readonly retain?: boolean;
  readonly dup?: boolean;
  readonly messageId?: number;
  readonly properties?: IPublishPacket["properties"];
}

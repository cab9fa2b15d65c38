/** MQTT.js as the tests drive it. Its TCP transport is node:net, which Deno runs. */

import assert from "node:assert/strict";
import mqtt, {
  type IClientOptions,
  type IConnackPacket,
  type IPublishPacket,
  type MqttClient,
  type Packet,
} from "mqtt";
import { Inbox, within } from "./patience.ts";

export type Version = 3 | 4 | 5;

/** A message as the application gets it from MQTT.js; `topic` is what the `message` event names, aliases resolved. */
export interface Received {
  readonly topic: string;
  readonly payload: string;
  readonly packet: IPublishPacket;
}

/** One MQTT.js client with what it received and the packets that crossed its wire. */
export class MqttJsClient {
  readonly mqtt: MqttClient;
  readonly received: Inbox<Received>;
  /** Accepted connections, the first included. */
  readonly connacks: Inbox<IConnackPacket>;
  /** Every packet received, as a second view. */
  readonly packetsIn: Inbox<Packet>;
  readonly packetsOut: Packet[] = [];
  readonly errors: Error[] = [];

  constructor(port: number, options: IClientOptions) {
    const version = options.protocolVersion ?? 5;
    this.mqtt = mqtt.connect({
      host: "127.0.0.1",
      port,
      protocol: "mqtt",
      protocolVersion: version,
      protocolId: version === 3 ? "MQIsdp" : "MQTT", // MQTT.js leaves "MQTT" there unless told otherwise
      keepalive: 0,
      reconnectPeriod: 0,
      clientId: `js-${crypto.randomUUID().slice(0, 13)}`, // 3.1 allows 23 characters
      ...options,
    });
    const name = `client ${this.clientId}`;
    this.received = new Inbox(`a message for ${name}`);
    this.connacks = new Inbox(`a CONNACK for ${name}`);
    this.packetsIn = new Inbox(`a packet for ${name}`);
    this.mqtt.on("message", (topic, payload, packet) => {
      this.received.push({ topic, payload: payload.toString(), packet });
    });
    this.mqtt.on("connect", (connack) => this.connacks.push(connack));
    this.mqtt.on("packetreceive", (packet) => this.packetsIn.push(packet));
    this.mqtt.on("packetsend", (packet) => this.packetsOut.push({ ...packet }));
    this.mqtt.on("error", (error) => this.errors.push(error));
  }

  get clientId(): string {
    return this.mqtt.options.clientId!;
  }

  /** Drops the connection without DISCONNECT. */
  drop(): void {
    this.mqtt.stream.destroy();
  }

  /** Publishes and waits until it is acknowledged, or written for QoS 0. */
  publish(topic: string, payload: string, options: Parameters<MqttClient["publishAsync"]>[2] = {}): Promise<unknown> {
    return within(this.mqtt.publishAsync(topic, payload, options), `the acknowledgement of ${topic}`);
  }

  /** Subscribes and answers the granted QoS. */
  async subscribe(
    filter: string,
    options: Partial<Parameters<MqttClient["subscribeAsync"]>[1]> & { qos?: 0 | 1 | 2 } = {},
  ): Promise<number> {
    const grants = await within(this.mqtt.subscribeAsync(filter, { qos: 2, ...options }), `the SUBACK of ${filter}`);
    return grants[0].qos;
  }

  /** Topic and payload of the next `count` messages. */
  async take(count: number): Promise<string[]> {
    return (await this.received.take(count)).map(({ topic, payload }) => `${topic} ${payload}`);
  }

  /** Shows that nothing waits: the answer to an UNSUBSCRIBE comes behind everything that was sent before. */
  async expectNothing(): Promise<void> {
    await within(this.mqtt.unsubscribeAsync("no/such/filter"), "an UNSUBACK");
    assert.equal(this.received.length, 0, `${this.clientId} received what it should not`);
  }
}

/** The MQTT.js clients of a test, ended with it. Declare it behind the broker, so that they end first. */
export class MqttJsClients implements AsyncDisposable {
  readonly #port: number;
  readonly #clients: MqttJsClient[] = [];

  constructor(broker: { readonly port: number }) {
    this.#port = broker.port;
  }

  /** A client that tries to connect. */
  open(options: IClientOptions = {}): MqttJsClient {
    const client = new MqttJsClient(this.#port, options);
    this.#clients.push(client);
    return client;
  }

  /** A client that has been accepted. */
  async connect(options: IClientOptions = {}): Promise<MqttJsClient & { readonly connack: IConnackPacket }> {
    const client = this.open(options);
    const connack = await client.connacks.next();
    return Object.assign(client, { connack });
  }

  /** Connects in vain and answers the code of the CONNACK. */
  async refused(options: IClientOptions = {}): Promise<number | undefined> {
    const packet = await this.open(options).packetsIn.until(({ cmd }) => cmd === "connack") as IConnackPacket;
    return options.protocolVersion === 4 || options.protocolVersion === 3 ? packet.returnCode : packet.reasonCode;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const client of this.#clients) await within(client.mqtt.endAsync(true), `the end of ${client.clientId}`);
  }
}

import { Buffer } from "node:buffer";
import { connectAsync, type IPublishPacket, type MqttClient } from "mqtt";
import type { OpenDoor, QoS, Shown } from "./door.ts";

/** MQTT.js, over whatever its URL says. */
export class MqttJsClient implements OpenDoor {
  readonly #client: MqttClient;

  private constructor(client: MqttClient) {
    this.#client = client;
  }

  /** @param ca who has signed the broker's certificate */
  static async connect(url: string, ca?: string): Promise<MqttJsClient> {
    return new MqttJsClient(await connectAsync(url, { protocolVersion: 5, ca }));
  }

  async publish({ topic, payload, qos = 0, retain = false, ...facts }: Shown): Promise<void> {
    const { correlationData, contentType, responseTopic, userProperties } = facts;
    const named = userProperties && Object.groupBy(userProperties, ([name]) => name);
    await this.#client.publishAsync(topic, payload, {
      qos,
      retain,
      properties: {
        ...(contentType === undefined ? {} : { contentType }),
        ...(responseTopic === undefined ? {} : { responseTopic }),
        ...(correlationData === undefined ? {} : { correlationData: Buffer.from(correlationData) }),
        ...(named === undefined ? {} : {
          userProperties: Object.fromEntries(
            Object.entries(named).map(([name, pairs]) => [name, pairs!.map(([, value]) => value)]),
          ),
        }),
      },
    });
  }

  async subscribe(topic: string): Promise<() => Promise<Shown>> {
    const arrived: Shown[] = [];
    let wake = () => {};
    this.#client.on("message", (topic, payload, packet) => {
      arrived.push(shown(topic, payload, packet));
      wake();
    });
    await this.#client.subscribeAsync(topic, { qos: 2 });
    return async () => {
      while (arrived.length === 0) await new Promise<void>((resolve) => wake = resolve);
      return arrived.shift()!;
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client.endAsync();
  }
}

function shown(topic: string, payload: Uint8Array, { qos, retain, properties }: IPublishPacket): Shown {
  const texts = Object.entries(properties?.userProperties ?? {});
  return {
    topic,
    payload: new TextDecoder().decode(payload),
    qos: qos as QoS,
    retain,
    contentType: properties?.contentType,
    responseTopic: properties?.responseTopic,
    correlationData: properties?.correlationData && [...properties.correlationData],
    userProperties: texts.length === 0
      ? undefined
      : texts.flatMap(([name, values]) => [values].flat().map((value) => [name, value] as const)),
  };
}

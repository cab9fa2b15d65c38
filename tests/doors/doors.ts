import type { TlsOptions, WeirBroker } from "../../mod.ts";
import { HttpClient } from "../http/http_client.ts";
import { TestClient } from "../support/client.ts";
import { Certificates } from "../tls/certificates.ts";
import { CoapClient } from "./coap_client.ts";
import { MqttJsClient } from "./mqttjs_client.ts";
import { ALL_FACTS, type Door, type Fact, type OpenDoor, type QoS, type Shown } from "./door.ts";

/** What a packet of 3.1.1 has besides topic and payload. */
const V3_FACTS: ReadonlySet<Fact> = new Set<Fact>(["qos", "retain"]);

/** MQTT over TCP. */
function mqtt(version: 4 | 5): Door {
  const facts = version === 5 ? ALL_FACTS : V3_FACTS;
  return {
    name: version === 5 ? "MQTT 5" : "MQTT 3.1.1",
    sends: facts,
    shows: facts,
    open: async (broker) => {
      const { port } = broker.listen({ port: 0, name: `mqtt-${crypto.randomUUID()}` });
      return await MqttGuest.connect(port, version);
    },
  };
}

/** The program that has the broker. */
const program: Door = {
  name: "the program",
  sends: ALL_FACTS,
  shows: ALL_FACTS,
  open: (broker) => Promise.resolve(new ProgramGuest(broker)),
};

/** Made when the first door asks for them. */
let certificates: Certificates | undefined;

function tls(): { tls: TlsOptions; ca: string } {
  if (certificates === undefined) {
    const made = certificates = new Certificates();
    globalThis.addEventListener("unload", () => made[Symbol.dispose]());
  }
  const [certificate, privateKey] = ["server.crt", "server.key"].map((name) => certificates!.read(name));
  return { tls: { certificate, privateKey }, ca: certificates.read("ca.crt") };
}

/** HTTP, with an event stream or with polls. */
function http(kind: "stream" | "poll"): Door {
  return {
    name: kind === "stream" ? "HTTP (events)" : "HTTP (poll)",
    sends: ALL_FACTS,
    shows: ALL_FACTS,
    open: async (broker) => {
      const { port } = await broker.listenHttp({ port: 0, name: `http-${crypto.randomUUID()}` });
      return new HttpClient(`http://127.0.0.1:${port}`, kind);
    },
  };
}

/** HTTP over TLS. */
const https: Door = {
  name: "HTTPS",
  sends: ALL_FACTS,
  shows: ALL_FACTS,
  needs: "openssl",
  open: async (broker) => {
    const { tls: own, ca } = tls();
    const { port } = await broker.listenHttp({ port: 0, name: `https-${crypto.randomUUID()}`, tls: own });
    return new HttpClient(`https://localhost:${port}`, "stream", ca);
  },
};

/** MQTT 5 over TLS, with WebSocket in between or without. */
function secure(kind: "TLS" | "WebSocket over TLS"): Door {
  return {
    name: kind,
    sends: ALL_FACTS,
    shows: ALL_FACTS,
    needs: "openssl",
    open: async (broker) => {
      const { tls: own, ca } = tls();
      const webSocket = kind === "TLS" ? undefined : {};
      const { port } = await broker.listenTls({ port: 0, name: `tls-${crypto.randomUUID()}`, tls: own, webSocket });
      return await MqttJsClient.connect(webSocket ? `wss://localhost:${port}/mqtt` : `mqtts://localhost:${port}`, ca);
    },
  };
}

/** CoAP over UDP: of what goes with a message it knows the format of the payload; QoS and retain are for publishers. */
const coap: Door = {
  name: "CoAP",
  sends: new Set<Fact>(["qos", "retain", "contentType"]),
  shows: new Set<Fact>(["contentType"]),
  open: (broker) => {
    const { port } = broker.listenCoap({ port: 0, name: `coap-${crypto.randomUUID()}` });
    return Promise.resolve(new CoapClient(port));
  },
};

/** MQTT 5 over WebSocket. */
const webSocket: Door = {
  name: "WebSocket",
  sends: ALL_FACTS,
  shows: ALL_FACTS,
  open: async (broker) => {
    const { port } = broker.listen({ port: 0, name: `ws-${crypto.randomUUID()}`, webSocket: {} });
    return await MqttJsClient.connect(`ws://127.0.0.1:${port}/mqtt`);
  },
};

/** Every door that there is. */
export const DOORS: readonly Door[] = [
  ...[mqtt(4), mqtt(5), secure("TLS"), webSocket, secure("WebSocket over TLS"), program],
  ...[http("stream"), http("poll"), https, coap],
];

class MqttGuest implements OpenDoor {
  readonly #client: TestClient;
  readonly #version: 4 | 5;

  private constructor(client: TestClient, version: 4 | 5) {
    this.#client = client;
    this.#version = version;
  }

  static async connect(port: number, version: 4 | 5): Promise<MqttGuest> {
    const client = await TestClient.open(port, version);
    await client.connect({ version });
    return new MqttGuest(client, version);
  }

  async publish({ topic, payload, qos, retain, ...facts }: Shown): Promise<void> {
    const { correlationData, contentType, responseTopic, userProperties } = facts;
    const properties = this.#version === 4 ? undefined : {
      contentType,
      responseTopic,
      correlationData: correlationData && Buffer.from(correlationData),
      userProperties: userProperties && Object.groupBy(userProperties, ([name]) => name),
    };
    const named = properties?.userProperties;
    const texts = named &&
      Object.fromEntries(Object.entries(named).map(([name, pairs]) => [name, pairs!.map((pair) => pair[1])]));
    await this.#client.publish(topic, payload, {
      qos,
      retain,
      properties: properties && { ...properties, userProperties: texts },
    });
  }

  async subscribe(topic: string): Promise<() => Promise<Shown>> {
    await this.#client.subscribe(topic, { qos: 2 });
    return async () => {
      const { topic, payload, qos, retain, properties } = await this.#client.receive();
      const texts = Object.entries(properties?.userProperties ?? {});
      return {
        topic,
        payload: payload.toString(),
        qos: qos as QoS,
        retain,
        contentType: properties?.contentType,
        responseTopic: properties?.responseTopic,
        correlationData: properties?.correlationData && [...properties.correlationData],
        userProperties: texts.length === 0
          ? undefined
          : texts.flatMap(([name, values]) => [values].flat().map((value) => [name, value] as const)),
      };
    };
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#client.close();
    return Promise.resolve();
  }
}

class ProgramGuest implements OpenDoor {
  readonly #broker: WeirBroker;
  readonly #leaving = new AbortController();

  constructor(broker: WeirBroker) {
    this.#broker = broker;
  }

  async publish({ correlationData, userProperties, ...message }: Shown): Promise<void> {
    await this.#broker.publish({
      ...message,
      correlationData: correlationData && Uint8Array.from(correlationData),
      userProperties: userProperties?.map(([name, value]) => [name, value]),
    });
  }

  subscribe(topic: string): Promise<() => Promise<Shown>> {
    const reader = this.#broker.subscribe(topic, { qos: 2, signal: this.#leaving.signal }).getReader();
    return Promise.resolve(async () => {
      const { topic, payload, correlationData, ...facts } = (await reader.read()).value!;
      const text = new TextDecoder().decode(payload);
      return { ...facts, topic, payload: text, correlationData: correlationData && [...correlationData] };
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#leaving.abort();
    return Promise.resolve();
  }
}

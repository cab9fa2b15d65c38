/** Thousands of connections that begin and do not go on, on each door over TCP: others get in meanwhile, and in time they are gone. */
import assert from "node:assert/strict";
import { connectAsync } from "mqtt";
import { WeirBroker } from "../../mod.ts";
import { inTime } from "../embedding/waiting.ts";
import { requires } from "../support/skip.ts";
import { Certificates } from "../tls/certificates.ts";

const COUNT = 2_000;
const TIMEOUT_MS = 3_000;
const PATIENCE_MS = 30_000;

/** A door: how it is opened, what half a client says, and how a whole one comes in. */
interface HalfOpen {
  readonly open: (broker: WeirBroker, certificates: Certificates) => Promise<{ readonly port: number }>;
  readonly beginning: string;
  readonly enter: (port: number, ca: string) => Promise<void>;
}

const tlsOf = (certificates: Certificates) => {
  return { certificate: certificates.read("server.crt"), privateKey: certificates.read("server.key") };
};

/** An MQTT client comes and goes. */
const mqtt = (scheme: string) => async (port: number, ca: string) => {
  const url = `${scheme}://localhost:${port}${scheme.startsWith("ws") ? "/mqtt" : ""}`;
  const client = await connectAsync(url, { ca, reconnectPeriod: 0, connectTimeout: PATIENCE_MS }, false);
  await client.endAsync();
};

const http = (scheme: string) => async (port: number, ca: string) => {
  const client = Deno.createHttpClient({ caCerts: [ca] });
  try {
    const response = await fetch(`${scheme}://localhost:${port}/health`, { client });
    assert.deepEqual(await response.json(), { status: "healthy" });
  } finally {
    client.close();
  }
};

/** The first bytes of a handshake. */
const HELLO = "\x16\x03\x01\x02\x00\x01\x00\x01";

const DOORS: Readonly<Record<string, HalfOpen>> = {
  "MQTT": {
    open: (broker) => Promise.resolve(broker.listen({ port: 0 })),
    beginning: "\x10\x20\x00\x04MQ",
    enter: mqtt("mqtt"),
  },
  "WebSocket": {
    open: (broker) => Promise.resolve(broker.listen({ port: 0, webSocket: {} })),
    beginning: "GET /mqtt HTTP/1.1\r\nHost:",
    enter: mqtt("ws"),
  },
  "TLS": {
    open: (broker, certificates) => broker.listenTls({ port: 0, tls: tlsOf(certificates) }),
    beginning: HELLO,
    enter: mqtt("mqtts"),
  },
  "WebSocket over TLS": {
    open: (broker, certificates) => broker.listenTls({ port: 0, tls: tlsOf(certificates), webSocket: {} }),
    beginning: HELLO,
    enter: mqtt("wss"),
  },
  "HTTP": {
    open: (broker) => broker.listenHttp({ port: 0 }),
    beginning: "POST /publish HTTP/1.1\r\nHost:",
    enter: http("http"),
  },
  "HTTPS": {
    open: (broker, certificates) => broker.listenHttp({ port: 0, tls: tlsOf(certificates) }),
    beginning: HELLO,
    enter: http("https"),
  },
};

/** Reads until the broker ends the connection. */
async function untilGone(connection: Deno.TcpConn): Promise<void> {
  const buffer = new Uint8Array(256);
  while (await connection.read(buffer).catch(() => null) !== null);
  connection.close();
}

for (const [name, { open, beginning, enter }] of Object.entries(DOORS)) {
  Deno.test(requires(["openssl"], {
    name: `${name}: two thousand connections that begin and do not go on keep nobody out, and are gone in time`,
    async fn() {
      using certificates = new Certificates();
      await using broker = await WeirBroker.start({ connection: { connectTimeoutMs: TIMEOUT_MS }, sysIntervalMs: 0 });
      const { port } = await open(broker, certificates);
      const bytes = Uint8Array.from(beginning, (character) => character.charCodeAt(0));
      const half: Promise<void>[] = [];
      for (let i = 0; i < COUNT; i++) {
        const connection = await Deno.connect({ hostname: "127.0.0.1", port });
        await connection.write(bytes);
        half.push(untilGone(connection));
      }
      await inTime(enter(port, certificates.read("ca.crt")), "a client that goes on", PATIENCE_MS);
      await inTime(Promise.all(half), "the others are gone", PATIENCE_MS);
      await enter(port, certificates.read("ca.crt"));
    },
  }));
}

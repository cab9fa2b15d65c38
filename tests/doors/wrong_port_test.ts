/** Who takes the wrong port is refused, and the log says what was spoken there. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { connect } from "node:net";
import { resetSync } from "@logtape/logtape";
import { WeirBroker } from "../../mod.ts";
import { openLog } from "../../src/cli/log.ts";
import { logHappenings } from "../../src/server/happening_log.ts";
import { happening } from "../embedding/waiting.ts";
import { requires } from "../support/skip.ts";
import { Certificates } from "../tls/certificates.ts";

const FIRST_BYTES = {
  MQTT: [0x10, 12, 0, 4, ...Buffer.from("MQTT"), 4, 2, 0, 60, 0, 0],
  TLS: [0x16, 3, 1, 0, 5, 1, 0, 0, 1, 3],
  HTTP: Buffer.from("GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
  PROXY: Buffer.from("PROXY TCP4 192.0.2.7 192.0.2.8 1 2\r\n"),
  malformed: Buffer.from("GET / HTTP/1.1\r\nHost : a\r\n\r\n"),
  nothing: Buffer.from("yes\nyes\n"),
};

/** Door, what is said there, and what the log tells of it. */
const VISITS: readonly [door: "tcp" | "ws" | "http" | "tls", said: keyof typeof FIRST_BYTES, told: string][] = [
  ["tcp", "TLS", 'protocol-error, "This is TLS, and MQTT is spoken here"'],
  ["tcp", "HTTP", 'protocol-error, "This is HTTP, and MQTT is spoken here"'],
  ["tcp", "PROXY", 'protocol-error, "This is the PROXY protocol, and MQTT is spoken here"'],
  ["tcp", "nothing", 'protocol-error, "This is not MQTT"'],
  [
    "ws",
    "MQTT",
    'protocol-error, "The WebSocket handshake is refused with 400: This is MQTT, and WebSocket is spoken here"',
  ],
  [
    "ws",
    "TLS",
    'protocol-error, "The WebSocket handshake is refused with 400: This is TLS, and WebSocket is spoken here"',
  ],
  ["http", "MQTT", 'protocol-error, "This is MQTT, and HTTP is spoken here"'],
  ["http", "TLS", 'protocol-error, "This is TLS, and HTTP is spoken here"'],
  ["http", "malformed", 'protocol-error, "This is HTTP with a mistake"'],
  ["tls", "MQTT", 'protocol-error, "the client does not speak TLS, and this listener does"'],
];

/** A broker with one door of this kind; answers its port. */
async function open(broker: WeirBroker, door: (typeof VISITS)[number][0], certificates: Certificates): Promise<number> {
  switch (door) {
    case "tcp":
      return broker.listen({ port: 0 }).port;
    case "ws":
      return broker.listen({ port: 0, webSocket: {} }).port;
    case "http":
      return (await broker.listenHttp({ port: 0 })).port;
    case "tls": {
      const tls = { certificate: certificates.read("server.crt"), privateKey: certificates.read("server.key") };
      return (await broker.listenTls({ port: 0, tls })).port;
    }
  }
}

/** The line that the log has of a visit. */
async function lineOf([door, said]: (typeof VISITS)[number]): Promise<string> {
  using certificates = new Certificates();
  const lines: string[] = [];
  await using broker = await WeirBroker.start();
  openLog({ level: "info", format: "text" }, (line) => lines.push(line));
  const end = logHappenings(broker);
  try {
    const refused = happening(broker, "connection-refused");
    const socket = connect(await open(broker, door, certificates), "127.0.0.1");
    socket.on("error", () => {});
    socket.write(Uint8Array.from(FIRST_BYTES[said]));
    await refused;
    socket.destroy();
  } finally {
    end();
    resetSync();
  }
  assert.equal(lines.length, 1);
  return lines[0].replace(/^.*weir: /, "");
}

for (const visit of VISITS) {
  const [door, said, told] = visit;
  Deno.test(requires(["openssl"], {
    name: `${said} at ${door}: the log says so`,
    async fn() {
      assert.equal(await lineOf(visit), `1 connection from 127.0.0.1 by ${door} closed: ${told}`);
    },
  }));
}

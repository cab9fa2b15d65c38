/** MQTT over WebSocket (RFC 6455) as bytes on a socket: the handshake, the frames, what is refused and with which word. */
import assert from "node:assert/strict";
import mqttPacket from "mqtt-packet";
import type { ListenOptions } from "../../mod.ts";
import { answerUpgrade, upgradeRules } from "../../src/transport/websocket/upgrade.ts";
import { TestBroker } from "../support/broker.ts";
import { frame, HANDSHAKE, RawWebSocket } from "./raw_websocket.ts";

const BINARY = 0x82;

function start(webSocket: ListenOptions["webSocket"] = {}): Promise<TestBroker> {
  return TestBroker.start({ listen: { webSocket } });
}

function connectPacket(protocolVersion: 4 | 5): Uint8Array {
  return mqttPacket.generate({ cmd: "connect", protocolVersion, clientId: "ws", clean: true, keepalive: 0 });
}

const PINGREQ = Uint8Array.of(0xc0, 0);
const PINGRESP = Uint8Array.of(0xd0, 0);

async function choosesMqtt(): Promise<void> {
  await using broker = await start();
  for (const offered of ["mqtt", "chat, mqtt", "mqttv3.1, mqtt"]) {
    using client = await RawWebSocket.connect(broker.port);
    await client.handshake({ ...HANDSHAKE, "Sec-WebSocket-Protocol": offered });
    const head = await client.head();
    assert.match(head, /^HTTP\/1\.1 101 Switching Protocols\r\n/);
    assert.match(head, /\r\nSec-WebSocket-Protocol: mqtt\r\n/);
    assert.match(head, /\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK\+xOo=\r\n/); // RFC 6455 section 1.3
  }
}

Deno.test("[MQTT-6.0.0-4] mqtt is the subprotocol that is chosen and returned", choosesMqtt);
Deno.test("v3.1.1 [MQTT-6.0.0-4] mqtt is the subprotocol that is chosen and returned", choosesMqtt);

async function readsAcrossFrames(version: 4 | 5): Promise<void> {
  await using broker = await start();
  const packets = Uint8Array.from([...connectPacket(version), ...PINGREQ]);
  for (let cut = 1; cut < packets.length; cut++) {
    using client = await RawWebSocket.open(broker.port);
    const pieces = [
      frame(0x02, packets.subarray(0, cut)),
      frame(0x89, Uint8Array.of(7)),
      frame(0x80, packets.subarray(cut)),
    ];
    for (const piece of pieces) for (const byte of piece) await client.send(Uint8Array.of(byte));
    const got: number[] = [];
    let pongs = 0;
    while (got.slice(-2).join() !== PINGRESP.join()) {
      const { first, payload } = (await client.frame())!;
      if (first === 0x8a) {
        pongs++;
        assert.deepEqual([...payload], [7]);
      } else {
        assert.equal(first, BINARY);
        got.push(...payload);
      }
    }
    assert.equal(got[0], 0x20, "CONNACK");
    assert.equal(pongs, 1);
  }
}

Deno.test("[MQTT-6.0.0-2] packets may be split and joined over frames and reads at any byte", () =>
  readsAcrossFrames(5));
Deno.test("v3.1.1 [MQTT-6.0.0-2] packets may be split and joined over frames and reads at any byte", () =>
  readsAcrossFrames(4));

async function speaksBinary(version: 4 | 5): Promise<void> {
  await using broker = await start();
  using client = await RawWebSocket.open(broker.port);
  await client.send(frame(BINARY, connectPacket(version)));
  assert.equal((await client.frame())!.first, BINARY);
  await client.send(frame(0x81, new TextEncoder().encode("hello")));
  assert.equal(await client.closeCode(), 1003);
}

Deno.test("[MQTT-6.0.0-1] packets go out in binary frames, a text frame ends the connection (1003)", () =>
  speaksBinary(5));
Deno.test("v3.1.1 [MQTT-6.0.0-1] packets go out in binary frames, a text frame ends the connection (1003)", () => {
  return speaksBinary(4);
});

const BAD_FRAMES: Readonly<Record<string, readonly [Uint8Array, number]>> = {
  "without a mask": [frame(BINARY, PINGREQ, { mask: false }), 1002],
  "with a reserved bit": [frame(0xc2, PINGREQ), 1002],
  "with a reserved opcode": [frame(0x83, PINGREQ), 1002],
  "with a reserved control opcode": [frame(0x8b, PINGREQ), 1002],
  "that continues nothing": [frame(0x80, PINGREQ), 1002],
  "that begins a message within another": [Uint8Array.from([...frame(0x02, PINGREQ), ...frame(0x82, PINGREQ)]), 1002],
  "ping in pieces": [frame(0x09, PINGREQ), 1002],
  "ping that is too long": [frame(0x89, new Uint8Array(126)), 1002],
  "of 2^63 bytes": [Uint8Array.of(0x82, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff), 1002],
  "that closes with a code that nobody may send": [frame(0x88, Uint8Array.of(0x03, 0xee)), 1002],
  "that closes with half a code": [frame(0x88, Uint8Array.of(3)), 1002],
  "that closes with text that is none": [frame(0x88, Uint8Array.of(0x03, 0xe8, 0xff)), 1007],
};

for (const [what, [bytes, code]] of Object.entries(BAD_FRAMES)) {
  Deno.test(`a frame ${what} ends the connection (${code})`, async () => {
    await using broker = await start();
    using client = await RawWebSocket.open(broker.port);
    await client.send(frame(BINARY, connectPacket(4)));
    await client.frame();
    await client.send(bytes);
    assert.equal(await client.closeCode(), code);
  });
}

Deno.test("a close is answered with its own code", async () => {
  await using broker = await start();
  for (const code of [1000, 1001, 3000, 4999]) {
    using client = await RawWebSocket.open(broker.port);
    await client.send(frame(0x88, Uint8Array.of(code >> 8, code & 0xff)));
    assert.equal(await client.closeCode(), code);
  }
});

Deno.test("a stop of the broker says DISCONNECT to the client and close to its WebSocket", async () => {
  await using broker = await start();
  using client = await RawWebSocket.open(broker.port);
  await client.send(frame(BINARY, connectPacket(5)));
  await client.frame();
  const stopped = broker.broker.stop();
  assert.deepEqual([...(await client.frame())!.payload].slice(0, 1), [0xe0]);
  assert.equal(await client.closeCode(), 1000);
  client[Symbol.dispose]();
  await stopped;
});

Deno.test("a packet beyond Maximum Packet Size is refused before it has come, however its frame is long", async () => {
  await using broker = await TestBroker.start({ listen: { webSocket: {} }, protocol: { packetBytesMax: 1_000 } });
  using client = await RawWebSocket.open(broker.port);
  await client.send(frame(BINARY, connectPacket(5)));
  await client.frame();
  const head = Uint8Array.of(0x30, 0xff, 0xff, 0x7f); // 2 MiB to come
  const length = [127, 0, 0, 0, 0, 0x7f, 0, 0, 0].map((byte, i) => i === 0 ? byte | 0x80 : byte);
  await client.send(Uint8Array.from([BINARY, ...length, 0, 0, 0, 0, ...head]));
  const { payload } = (await client.frame())!;
  assert.deepEqual([payload[0], payload[2]], [0xe0, 0x95]);
});

type Changes = Readonly<Record<string, string | undefined>>;

const REFUSED: Readonly<Record<string, readonly [number, Changes, Parameters<RawWebSocket["handshake"]>[1]?]>> = {
  "another path": [404, {}, { path: "/other" }],
  "a path in disguise": [404, {}, { path: "/mqtt/../mqtt" }],
  "another method": [405, {}, { method: "POST" }],
  "an old HTTP": [505, {}, { version: "HTTP/1.0" }],
  "no upgrade": [426, { Upgrade: undefined }],
  "another upgrade": [426, { Upgrade: "h2c" }],
  "no Connection": [426, { Connection: "keep-alive" }],
  "another version": [426, { "Sec-WebSocket-Version": "8" }],
  "no key": [400, { "Sec-WebSocket-Key": undefined }],
  "a short key": [400, { "Sec-WebSocket-Key": "c2hvcnQ=" }],
  "no host": [400, { Host: undefined }],
  "no subprotocol": [400, { "Sec-WebSocket-Protocol": undefined }],
  "another subprotocol": [400, { "Sec-WebSocket-Protocol": "chat" }],
  "a body": [400, { "Content-Length": "5" }],
  "a body in chunks": [400, { "Transfer-Encoding": "chunked" }],
  "a page of elsewhere": [403, { Origin: "https://evil.example" }],
  "a sandboxed page": [403, { Origin: "null" }],
  "an origin with a path": [403, { Origin: "http://127.0.0.1/x" }],
  "a head that is too long": [431, { Filler: "x".repeat(9_000) }],
};

for (const [what, [status, headers, line]] of Object.entries(REFUSED)) {
  Deno.test(`a handshake with ${what} is answered with ${status}`, async () => {
    await using broker = await start();
    using client = await RawWebSocket.connect(broker.port);
    await client.handshake({ ...HANDSHAKE, ...headers }, line);
    const head = await client.head();
    assert.match(head, new RegExp(`^HTTP/1\\.1 ${status} `));
    if (status === 405) assert.match(head, /\r\nAllow: GET\r\n/);
    if (status === 426) assert.match(head, /\r\nSec-WebSocket-Version: 13\r\n/);
  });
}

const ORIGINS: readonly (readonly [readonly string[], string | undefined, boolean])[] = [
  [[], undefined, true],
  [[], "http://127.0.0.1:8000", true],
  [[], "https://localhost", true],
  [[], "http://[::1]:5173", true],
  [[], "http://app.localhost", true],
  [[], "http://evil.example", false],
  [[], "http://localhost.evil.example", false],
  [["https://app.example"], "https://app.example", true],
  [["https://app.example"], "https://app.example:8443", false],
  [["https://app.example"], "http://app.example", false],
  [["app.example:8443"], "https://app.example:8443", true],
  [["*.example.com"], "https://a.b.example.com:99", true],
  [["*.example.com"], "https://example.com", true],
  [["*.example.com"], "https://evilexample.com", false],
  [["*.example.com"], "https://example.com.evil.net", false],
  [["*"], "https://anything.example", true],
  [["*"], "null", true],
  [["https://app.example"], "http://127.0.0.1", false],
  [["https://app.example"], undefined, true],
];

Deno.test("origins: those that are listed, with scheme and port as far as they are written; without a list this machine's", async () => {
  for (const [allowedOrigins, origin, isAllowed] of ORIGINS) {
    await using broker = await start({ allowedOrigins });
    using client = await RawWebSocket.connect(broker.port);
    await client.handshake({ ...HANDSHAKE, Origin: origin });
    const head = await client.head();
    assert.equal(head.startsWith("HTTP/1.1 101 "), isAllowed, `${allowedOrigins} ${origin}: ${head}`);
  }
});

/** What is asked for, by whose page -> the status, of a listener of this machine and of one that others reach. */
const HOSTS: readonly (readonly [host: string, origin: string, here: number, open: number])[] = [
  ["broker.example:8083", "https://broker.example", 403, 101],
  ["broker.example:8083", "http://localhost", 101, 403],
  ["broker.example:8083", "https://evil.example", 403, 403],
];

Deno.test("without a list: pages of the same host, and of this machine where nobody else can connect (DNS rebinding)", () => {
  for (const [host, origin, here, open] of HOSTS) {
    const lines = Object.entries({ ...HANDSHAKE, Host: host, Origin: origin }).map(([name, value]) =>
      `${name}: ${value}`
    );
    const head = new TextEncoder().encode(`GET /mqtt HTTP/1.1\r\n${lines.join("\r\n")}\r\n\r\n`);
    const answers = [true, false].map((isLoopback) => answerUpgrade(head, upgradeRules({}, { isLoopback })));
    assert.deepEqual(answers.map(({ status }) => status), [here, open], `${host} ${origin}`);
    for (const { status, reason, response } of answers) {
      if (status === 101) continue;
      assert.equal(reason, `Pages of ${origin} may not connect: it is not among the allowed origins`);
      assert.doesNotMatch(new TextDecoder().decode(response), /example/, "nothing of the request comes back");
    }
  }
});

Deno.test("who does not finish the handshake, or CONNECT behind it, is cut off in time", async () => {
  await using broker = await TestBroker.start({ listen: { webSocket: {} }, connection: { connectTimeoutMs: 200 } });
  using slow = await RawWebSocket.connect(broker.port);
  await slow.send(new TextEncoder().encode("GET /mqtt HTTP/1.1\r\nHost:"));
  assert.match(await slow.head(), /^HTTP\/1\.1 408 /);
  using silent = await RawWebSocket.open(broker.port);
  assert.equal(await silent.closeCode(), 1000);
});

Deno.test("what speaks MQTT or TLS to the WebSocket port is told at once", async () => {
  await using broker = await start();
  for (const bytes of [connectPacket(4), Uint8Array.of(0x16, 3, 1, 2, 0, 1)]) {
    using client = await RawWebSocket.connect(broker.port);
    await client.send(bytes);
    assert.match(await client.head(), /^HTTP\/1\.1 400 /);
  }
});

Deno.test("five hundred handshakes that never end keep nobody out, and are gone when their time is over", async () => {
  await using broker = await TestBroker.start({ listen: { webSocket: {} }, connection: { connectTimeoutMs: 2_000 } });
  const half = await Promise.all(Array.from({ length: 500 }, () => RawWebSocket.connect(broker.port)));
  for (const client of half) await client.send(new TextEncoder().encode("GET /mqtt HTTP/1.1\r\n"));
  using client = await RawWebSocket.open(broker.port);
  await client.send(frame(BINARY, connectPacket(4)));
  assert.equal((await client.frame())!.first, BINARY);
  for (const each of half) {
    assert.match(await each.head(), /^HTTP\/1\.1 408 /);
    each[Symbol.dispose]();
  }
});

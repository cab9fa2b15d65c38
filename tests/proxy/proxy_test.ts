/** The PROXY protocol, versions 1 and 2: the client is where a trusted proxy says, and nowhere else. */
import assert from "node:assert/strict";
import mqttPacket from "mqtt-packet";
import type { Happening, ListenOptions } from "../../mod.ts";
import { TestBroker } from "../support/broker.ts";

type Connected = Extract<Happening, { kind: "client-connected" }>;

const CONNECT = mqttPacket.generate({ cmd: "connect", protocolVersion: 4, clientId: "c", clean: true, keepalive: 0 });
const SIGNATURE = [0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a];

function start(
  proxyProtocol: ListenOptions["proxyProtocol"] = { trustedAddresses: ["127.0.0.1"] },
): Promise<TestBroker> {
  return TestBroker.start({ listen: { proxyProtocol } });
}

function text(line: string): Uint8Array {
  return new TextEncoder().encode(line);
}

/** A binary header with `body` behind its length. */
function binary(command: number, family: number, body: readonly number[]): Uint8Array {
  return Uint8Array.from([...SIGNATURE, command, family, body.length >> 8, body.length & 0xff, ...body]);
}

const IPV6 = [0x20, 0x01, 0x0d, 0xb8, ...new Array(11).fill(0), 7];
const TLV = [0x20, 0, 3, 1, 2, 3];

/** What stands before CONNECT, and where the client then is. */
const HEADERS: Readonly<Record<string, readonly [Uint8Array, string]>> = {
  "a line for IPv4": [text("PROXY TCP4 192.0.2.7 198.51.100.1 40000 1883\r\n"), "192.0.2.7"],
  "a line for IPv6": [text("PROXY TCP6 2001:db8::7 2001:db8::1 40000 1883\r\n"), "2001:db8::7"],
  "a line that does not know": [text("PROXY UNKNOWN\r\n"), "127.0.0.1"],
  "version 2 for IPv4": [binary(0x21, 0x11, [192, 0, 2, 7, 198, 51, 100, 1, 0x9c, 0x40, 7, 0x5b]), "192.0.2.7"],
  "version 2 for IPv6 and more": [binary(0x21, 0x21, [...IPV6, ...IPV6, 0, 1, 0, 2, ...TLV]), "2001:db8::7"],
  "version 2 of the proxy itself": [binary(0x20, 0, []), "127.0.0.1"],
  "version 2 for a Unix socket": [binary(0x21, 0x31, new Array(216).fill(0)), "127.0.0.1"],
};

for (const [what, [header, address]] of Object.entries(HEADERS)) {
  Deno.test(`PROXY: ${what}, at once and byte by byte`, async () => {
    await using broker = await start();
    for (const size of [10_000, 1]) {
      const connected = nextConnected(broker);
      using connection = await Deno.connect({ hostname: "127.0.0.1", port: broker.port });
      const bytes = Uint8Array.from([...header, ...CONNECT]);
      for (let at = 0; at < bytes.length; at += size) await connection.write(bytes.subarray(at, at + size));
      assert.equal((await connected).remoteAddress, address);
      assert.equal(await firstByte(connection), 0x20, "CONNACK");
    }
  });
}

const REFUSED: Readonly<Record<string, Uint8Array>> = {
  "no header": CONNECT,
  "a line that is too long": text(`PROXY TCP4 ${"1".repeat(120)}`),
  "an address that is none": text("PROXY TCP4 192.0.2.999 198.51.100.1 40000 1883\r\n"),
  "a port that is none": text("PROXY TCP4 192.0.2.7 198.51.100.1 70000 1883\r\n"),
  "a line without carriage return": text("PROXY TCP4 192.0.2.7 198.51.100.1 40000 1883\n"),
  "another version": binary(0x11, 0x11, new Array(12).fill(1)),
  "an unknown command": binary(0x22, 0x11, new Array(12).fill(1)),
  "addresses that are cut": binary(0x21, 0x11, [1, 2, 3]),
  "a header that is too long": Uint8Array.from([...SIGNATURE, 0x21, 0x11, 0xff, 0xff]),
};

for (const [what, bytes] of Object.entries(REFUSED)) {
  Deno.test(`PROXY: ${what} is cut off and told`, async () => {
    await using broker = await start();
    const refused = nextRefusal(broker);
    using connection = await Deno.connect({ hostname: "127.0.0.1", port: broker.port });
    await connection.write(bytes);
    assert.equal(await firstByte(connection), undefined);
    assert.match(await refused, /^Cannot take the connection of a proxy: /);
  });
}

Deno.test("PROXY: who is no trusted proxy is cut off, whatever it says", async () => {
  await using broker = await start({ trustedAddresses: ["10.0.0.0/8", "::1"] });
  const refused = nextRefusal(broker);
  using connection = await Deno.connect({ hostname: "127.0.0.1", port: broker.port });
  await connection.write(HEADERS["a line for IPv4"][0]);
  assert.equal(await firstByte(connection), undefined);
  assert.equal(await refused, "Cannot take the connection of a proxy: it is no proxy that is trusted");
});

Deno.test("PROXY: connections are counted for the client's address, not for the proxy's", async () => {
  await using broker = await TestBroker.start({
    listen: { proxyProtocol: {} },
    connection: { connectionsPerAddressMax: 1 },
  });
  const open = async (address: string) => {
    const connection = await Deno.connect({ hostname: "127.0.0.1", port: broker.port });
    await connection.write(Uint8Array.from([...text(`PROXY TCP4 ${address} 198.51.100.1 1 2\r\n`), ...CONNECT]));
    return connection;
  };
  using one = await open("192.0.2.1");
  assert.equal(await firstByte(one), 0x20);
  using other = await open("192.0.2.2");
  assert.equal(await firstByte(other), 0x20);
  using again = await open("192.0.2.1");
  assert.equal(await firstByte(again), undefined);
});

function nextConnected(broker: TestBroker): Promise<Connected> {
  return nextOf(broker, (happening) => happening.kind === "client-connected" ? happening : undefined);
}

function nextRefusal(broker: TestBroker): Promise<string> {
  return nextOf(broker, (happening) => happening.kind === "connection-refused" ? happening.reason : undefined);
}

function nextOf<T>({ broker }: TestBroker, pick: (happening: Happening) => T | undefined): Promise<T> {
  const { promise, resolve } = Promise.withResolvers<T>();
  const unwatch = broker.watch((happening) => {
    const found = pick(happening);
    if (found === undefined) return;
    unwatch();
    resolve(found);
  });
  return promise;
}

/** Undefined when the broker ends the connection first. */
async function firstByte(connection: Deno.TcpConn): Promise<number | undefined> {
  const byte = new Uint8Array(1);
  const count = await connection.read(byte).catch(() => null); // reset: closed with unread input
  return count === null ? undefined : byte[0];
}

/** The PROXY protocol, versions 1 and 2: the client is where a trusted proxy says, and nowhere else. */
import assert from "node:assert/strict";
import mqttPacket from "mqtt-packet";
import type { Happening, ListenOptions } from "../../mod.ts";
import { HEADERS_MAX } from "../../src/transport/proxy/behind_proxy.ts";
import { inTime } from "../embedding/waiting.ts";
import { TestBroker } from "../support/broker.ts";
import { HEADERS, REFUSED, text } from "./headers.ts";

type Connected = Extract<Happening, { kind: "client-connected" }>;

const CONNECT = mqttPacket.generate({ cmd: "connect", protocolVersion: 4, clientId: "c", clean: true, keepalive: 0 });

function start(
  proxyProtocol: ListenOptions["proxyProtocol"] = { trustedAddresses: ["127.0.0.1"] },
): Promise<TestBroker> {
  return TestBroker.start({ listen: { proxyProtocol } });
}

for (const [what, [header, address = "127.0.0.1"]] of Object.entries(HEADERS)) {
  Deno.test(`PROXY: ${what}, at once and byte by byte`, async () => {
    await using broker = await start();
    for (const size of [10_000, 1]) {
      const connected = nextConnected(broker);
      using connection = await Deno.connect({ hostname: "127.0.0.1", port: broker.port });
      connection.setNoDelay(true);
      const bytes = Uint8Array.from([...header, ...CONNECT]);
      for (let at = 0; at < bytes.length; at += size) await connection.write(bytes.subarray(at, at + size));
      assert.equal((await connected).remoteAddress, address);
      assert.equal(await firstByte(connection), 0x20, "CONNACK");
    }
  });
}

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

Deno.test("PROXY: a header that is cut, wherever, is told", async () => {
  await using broker = await start();
  const [header] = HEADERS["version 2 for IPv4"];
  for (let end = 0; end < header.length; end++) {
    const refused = nextRefusal(broker);
    using connection = await Deno.connect({ hostname: "127.0.0.1", port: broker.port });
    await connection.write(header.subarray(0, end));
    await connection.closeWrite();
    assert.equal(await refused, "Cannot take the connection of a proxy: it ended before its PROXY header had come");
  }
});

Deno.test("PROXY: a header that does not come, or trickles in, is cut off in time and told", async () => {
  await using broker = await TestBroker.start({
    listen: { proxyProtocol: { trustedAddresses: ["127.0.0.1"] } },
    connection: { connectTimeoutMs: 300 },
  });
  const refused = nextRefusal(broker);
  using silent = await Deno.connect({ hostname: "127.0.0.1", port: broker.port });
  using slow = await Deno.connect({ hostname: "127.0.0.1", port: broker.port });
  let at = 0;
  const trickling = setInterval(() => {
    slow.write(text(`PROXY UNKNOWN ${"x".repeat(80)}`).subarray(at, ++at)).catch(() => {});
  }, 20);
  try {
    for (const connection of [silent, slow]) assert.equal(await firstByte(connection), undefined);
    assert.match(await refused, /PROXY header/);
  } finally {
    clearInterval(trickling);
  }
});

Deno.test("PROXY: of a thousand headers that do not come the oldest makes room for one that does", async () => {
  await using broker = await start();
  const silent: Deno.TcpConn[] = [];
  try {
    for (let i = 0; i < HEADERS_MAX; i++) {
      silent.push(await Deno.connect({ hostname: "127.0.0.1", port: broker.port }));
    }
    using connection = await Deno.connect({ hostname: "127.0.0.1", port: broker.port });
    await connection.write(Uint8Array.from([...HEADERS["a line for IPv4"][0], ...CONNECT]));
    assert.equal(await firstByte(connection), 0x20, "CONNACK");
    assert.equal(await firstByte(silent[0]), undefined, "the oldest has gone");
    await silent[1].write(Uint8Array.from([...HEADERS["a line for IPv6"][0], ...CONNECT]));
    assert.equal(await firstByte(silent[1]), 0x20, "the next is still waited for");
  } finally {
    for (const connection of silent) connection.close();
  }
});

Deno.test("PROXY: who is no trusted proxy is cut off, whatever it says", async () => {
  await using broker = await start({ trustedAddresses: ["10.0.0.0/8", "::1"] });
  const refused = nextRefusal(broker);
  using connection = await Deno.connect({ hostname: "127.0.0.1", port: broker.port });
  await connection.write(HEADERS["a line for IPv4"][0]);
  assert.equal(await firstByte(connection), undefined);
  assert.equal(await refused, "Cannot take the connection of a proxy: it is no proxy that is trusted");
});

Deno.test("PROXY: whom to believe is said, or nobody listens", async () => {
  await assert.rejects(start({} as never), TypeError);
  await assert.rejects(start({ trustedAddresses: ["10.0.0.0/33"] }), RangeError);
  await assert.rejects(start({ trustedAddresses: ["proxy.example"] }), RangeError);
});

Deno.test("PROXY: connections are counted for the client's address, not for the proxy's", async () => {
  await using broker = await TestBroker.start({
    listen: { proxyProtocol: { trustedAddresses: ["127.0.0.0/8"] } },
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
  return inTime(promise, "a happening");
}

/** Undefined when the broker ends the connection first. */
async function firstByte(connection: Deno.TcpConn): Promise<number | undefined> {
  const byte = new Uint8Array(1);
  const count = await connection.read(byte).catch(() => null); // reset: closed with unread input
  return count === null ? undefined : byte[0];
}

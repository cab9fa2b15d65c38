import assert from "node:assert/strict";
import { TestBroker } from "../support/broker.ts";
import { type ClientFixture, clientFixtures } from "../wire/fixtures.ts";
import { hex } from "../wire/reading.ts";
import { bodyOf, connect, join, packet, properties, publish, subscribe, uint16, varint } from "./bytes.ts";
import { lastWord, provoke, RawPeer } from "./raw_peer.ts";
import { Witness } from "./witness.ts";

/** The fixtures that a broker without authentication methods takes in full; AUTH is out of order there whatever it holds. */
const fixtures = clientFixtures.filter((fixture) => fixture.version !== 3 && !fixture.name.startsWith("AUTH"));
const isConnect = (fixture: ClientFixture) => fixture.name.startsWith("CONNECT");

/** CONNECT bytes for what has to be connected first; a will of its own would be published when the connection is cut. */
function preface(fixture: ClientFixture): Uint8Array | undefined {
  if (isConnect(fixture)) return undefined;
  return connect({ version: fixture.version as 4 | 5, keepAlive: 0 });
}

for (const fixture of fixtures) {
  Deno.test(`${fixture.name}: cut at every byte and then left, harms nobody`, async () => {
    await using broker = await TestBroker.start();
    const witness = await Witness.on(broker);
    const bytes = hex(fixture.hex);
    for (let length = 1; length < bytes.length; length++) {
      const before = preface(fixture);
      using peer = before === undefined ? await RawPeer.open(broker.port) : await RawPeer.connect(broker.port, before);
      await peer.send(bytes.subarray(0, length));
      await peer.closeWrite();
      assert.deepEqual(await peer.untilClosed(), [], `something was said to ${length} bytes`);
    }
    await witness.check();
  });

  Deno.test(`${fixture.name}: a body cut at every byte is refused`, async () => {
    await using broker = await TestBroker.start();
    const witness = await Witness.on(broker);
    const bytes = hex(fixture.hex);
    const body = bodyOf(bytes);
    for (let length = 0; length < body.length; length++) {
      if (fixture.validAt?.includes(length)) continue;
      const cut = packet(bytes[0], body.subarray(0, length));
      const word = lastWord(await provoke(broker.port, cut, preface(fixture)));
      const speaks = fixture.version === 5 && (!isConnect(fixture) || length >= 7); // the level is known then
      if (speaks) assert.ok(word === 0x81 || word === 0x82, `body of ${length} bytes: ${word?.toString(16)}`);
      else assert.equal(word, undefined, `body of ${length} bytes`);
      await witness.passOne();
    }
    await witness.check();
  });

  Deno.test(`${fixture.name}: a byte too many is refused`, async () => {
    const body = bodyOf(hex(fixture.hex));
    if (fixture.name.startsWith("PUBLISH") || fixture.validAt?.includes(body.length + 1)) return; // payload
    await using broker = await TestBroker.start();
    const witness = await Witness.on(broker);
    const longer = packet(hex(fixture.hex)[0], body, 0);
    const word = lastWord(await provoke(broker.port, longer, preface(fixture)));
    assert.equal(word, fixture.version === 5 ? 0x81 : undefined);
    await witness.check();
  });
}

Deno.test("a remaining length of 268,435,455 before CONNECT is refused before its body comes", async () => {
  await using broker = await TestBroker.start();
  const witness = await Witness.on(broker);
  const heap = Deno.memoryUsage();
  for (const first of [0x10, 0x30, 0x82, 0xf0, 0x00]) {
    assert.deepEqual(await provoke(broker.port, join(first, varint(268_435_455))), []);
  }
  const { external, heapUsed } = Deno.memoryUsage();
  assert.ok(external + heapUsed - heap.external - heap.heapUsed < 64 * 1024 * 1024, "nothing that large was allocated");
  await witness.check();
});

Deno.test("a remaining length of 268,435,455 from a connected client is answered with 0x95", async () => {
  await using broker = await TestBroker.start();
  const witness = await Witness.on(broker);
  const huge = join(0x30, varint(268_435_455));
  assert.equal(lastWord(await provoke(broker.port, huge, connect())), 0x95);
  assert.deepEqual(await provoke(broker.port, huge, connect({ version: 4 })), []);
  await witness.check();
});

Deno.test("[MQTT-1.5.5-1] a remaining length that is longer than needed or than four bytes is refused", async () => {
  await using broker = await TestBroker.start();
  const witness = await Witness.on(broker);
  const lengths = ["8000", "808000", "80808000", "8080808000", "8080808001", "ffffffff7f", "ffffffffff", "8280 00"];
  for (const length of lengths) {
    for (const first of [0x10, 0xc0]) {
      assert.deepEqual(await provoke(broker.port, join(first, hex(length))), [], `${length} before CONNECT`);
    }
    for (const first of [0x30, 0x82, 0xc0, 0xe0]) {
      const word = lastWord(await provoke(broker.port, join(first, hex(length)), connect()));
      assert.equal(word, 0x81, `${length} behind ${first.toString(16)}`);
      assert.deepEqual(await provoke(broker.port, join(first, hex(length)), connect({ version: 4 })), []);
    }
    await witness.passOne();
  }
  await witness.check();
});

Deno.test("[MQTT-1.5.5-1] a property length or subscription identifier that is longer than needed is refused", async () => {
  await using broker = await TestBroker.start();
  const witness = await Witness.on(broker);
  for (const extra of [1, 2, 3, 4, 5]) {
    const empty = varint(0, extra);
    const packets: [string, Uint8Array][] = [
      ["PUBLISH", packet(0x30, "t", empty)],
      ["PUBACK", packet(0x40, uint16(9), 0, empty)],
      ["PUBREL", packet(0x62, uint16(9), 0, empty)],
      ["SUBSCRIBE", packet(0x82, uint16(9), empty, "t", 0)],
      ["UNSUBSCRIBE", packet(0xa2, uint16(9), empty, "t")],
      ["DISCONNECT", packet(0xe0, 0, empty)],
      ["subscription identifier", packet(0x82, uint16(9), properties(0x0b, varint(1, extra)), "t", 0)],
    ];
    for (const [name, bytes] of packets) {
      assert.equal(lastWord(await provoke(broker.port, bytes, connect())), 0x81, `${name} with ${extra} more`);
    }
    const connects: [string, Uint8Array][] = [
      ["CONNECT", packet(0x10, "MQTT", 5, 2, uint16(0), empty, "c")],
      ["will", packet(0x10, "MQTT", 5, 6, uint16(0), 0, "c", empty, "w", uint16(0))],
    ];
    for (const [name, bytes] of connects) {
      assert.equal(lastWord(await provoke(broker.port, bytes)), 0x81, `${name} with ${extra} more`);
    }
    await witness.passOne();
  }
  await witness.check();
});

Deno.test("a length inside a packet that points beyond it is refused", async () => {
  await using broker = await TestBroker.start();
  const witness = await Witness.on(broker);
  const beyond = uint16(65_535);
  const packets: Uint8Array[] = [
    packet(0x30, beyond),
    packet(0x30, beyond, new Uint8Array(100)),
    packet(0x32, "t"),
    packet(0x34, "t", 0),
    packet(0x30, "t", varint(268_435_455), new Uint8Array(50)),
    packet(0x30, "t", properties(0x26, "k", beyond)),
    packet(0x30, "t", properties(0x09, beyond, 1, 2, 3)),
    packet(0x82, uint16(1), 0, beyond),
    packet(0x82, uint16(1), varint(2_097_151), "t", 0),
    packet(0xa2, uint16(1), 0, "t", beyond),
    packet(0x40, uint16(1), 0, varint(16_383)),
  ];
  for (const bytes of packets) {
    assert.equal(lastWord(await provoke(broker.port, bytes, connect())), 0x81, bytes.subarray(0, 20).toHex());
    await witness.passOne();
  }
  await witness.check();
});

Deno.test("[MQTT-2.1.3-1] reserved flags of the fixed header are refused", async () => {
  await using broker = await TestBroker.start();
  const witness = await Witness.on(broker);
  const expected = new Map([[4, 0], [5, 0], [6, 2], [7, 0], [8, 2], [10, 2], [12, 0], [14, 0]]);
  const bodies = new Map<number, Uint8Array>([
    [8, join(uint16(1), 0, "t", 0)],
    [10, join(uint16(1), 0, "t")],
    [12, join()],
    [14, join()],
  ]);
  for (const [type, right] of expected) {
    const body = bodies.get(type) ?? uint16(1);
    for (let flags = 0; flags < 16; flags++) {
      if (flags === right) continue;
      const word = lastWord(await provoke(broker.port, packet((type << 4) | flags, body), connect()));
      assert.equal(word, 0x81, `type ${type} with flags ${flags}`);
    }
    await witness.passOne();
  }
  for (let flags = 1; flags < 16; flags++) {
    const bytes = connect();
    bytes[0] |= flags;
    const word = lastWord(await provoke(broker.port, bytes));
    assert.ok(word === undefined || word === 0x81, `CONNECT with flags ${flags}: ${word}`);
  }
  await witness.check();
});

Deno.test("a PUBLISH of QoS 3, with DUP at QoS 0, or with packet id 0 is refused", async () => {
  await using broker = await TestBroker.start();
  const witness = await Witness.on(broker);
  const t = publish("t", { qos: 1 }).subarray(2);
  assert.equal(lastWord(await provoke(broker.port, packet(0x36, t), connect())), 0x81);
  assert.equal(lastWord(await provoke(broker.port, packet(0x38, "t", 0), connect())), 0x81);
  for (const qos of [1, 2] as const) {
    const word = lastWord(await provoke(broker.port, publish("t", { qos, packetId: 0 }), connect()));
    assert.ok(word === 0x81 || word === 0x82, `QoS ${qos}: ${word}`);
  }
  const word = lastWord(await provoke(broker.port, subscribe("t", { packetId: 0 }), connect()));
  assert.ok(word === 0x81 || word === 0x82, `SUBSCRIBE: ${word}`);
  await witness.check();
});

Deno.test("CVE-2016-10523: bytes that threw out of a parser end their own connection only", async () => {
  await using broker = await TestBroker.start();
  const witness = await Witness.on(broker);
  const bytes = hex("101000044d5154540502003c032100140000" + "6202d301" + "e0020020");
  await provoke(broker.port, bytes);
  await witness.check();
});

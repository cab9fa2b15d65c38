import assert from "node:assert/strict";
import { TestBroker } from "../support/broker.ts";
import { connect, packet, publish, subscribe, uint16 } from "./bytes.ts";
import { lastWord, provoke, RawPeer } from "./raw_peer.ts";
import { Witness } from "./witness.ts";

const fromServer: [string, Uint8Array][] = [
  ["CONNACK", packet(0x20, 0, 0)],
  ["CONNACK with properties", packet(0x20, 0, 0, 0)],
  ["SUBACK", packet(0x90, uint16(1), 0, 0)],
  ["UNSUBACK", packet(0xb0, uint16(1), 0, 0)],
  ["PINGRESP", packet(0xd0)],
  ["reserved type 0", packet(0x00)],
];

const fromClient: [string, Uint8Array][] = [
  ["PUBLISH", publish("t", { qos: 1 })],
  ["PUBACK", packet(0x40, uint16(1))],
  ["PUBREC", packet(0x50, uint16(1))],
  ["PUBREL", packet(0x62, uint16(1))],
  ["PUBCOMP", packet(0x70, uint16(1))],
  ["SUBSCRIBE", subscribe("t")],
  ["UNSUBSCRIBE", packet(0xa2, uint16(1), 0, "t")],
  ["PINGREQ", packet(0xc0)],
  ["DISCONNECT", packet(0xe0)],
  ["AUTH", packet(0xf0, 0x18, 0)],
];

for (const [name, bytes] of fromServer) {
  Deno.test(`CVE-2021-28166: ${name} from a client ends its connection`, async () => {
    await using broker = await TestBroker.start();
    const witness = await Witness.on(broker);
    const word = lastWord(await provoke(broker.port, bytes, connect()));
    assert.ok(word === 0x81 || word === 0x82, `${word}`);
    assert.deepEqual(await provoke(broker.port, bytes, connect({ version: 4 })), []);
    await witness.check();
  });
}

for (const [name, bytes] of [...fromServer, ...fromClient]) {
  Deno.test(`[MQTT-3.1.0-1] ${name} before CONNECT is not answered: the connection is closed`, async () => {
    await using broker = await TestBroker.start();
    const witness = await Witness.on(broker);
    assert.deepEqual(await provoke(broker.port, bytes), []);
    await witness.check();
  });
}

Deno.test("what precedes CONNECT does nothing, and CONNECT behind it is not accepted", async () => {
  await using broker = await TestBroker.start();
  const witness = await Witness.on(broker);
  const watcher = await broker.connect();
  await watcher.subscribe("#");
  using peer = await RawPeer.open(broker.port);
  await peer.send(Uint8Array.from([...publish("early", { payload: uint16(1) }), ...connect()]));
  assert.deepEqual(await peer.untilClosed(), []);
  await watcher.expectNothing();
  await watcher.disconnect();
  await witness.check();
});

for (const version of [4, 5] as const) {
  Deno.test(`[MQTT-3.1.0-2] v${version}: a second CONNECT is a protocol error, in the same chunk too`, async () => {
    await using broker = await TestBroker.start();
    const witness = await Witness.on(broker);
    const word = version === 5 ? 0x82 : undefined;
    assert.equal(lastWord(await provoke(broker.port, connect({ version }), connect({ version }))), word);
    using peer = await RawPeer.open(broker.port);
    await peer.send(Uint8Array.from([...connect({ version }), ...connect({ version })]));
    const said = await peer.untilClosed();
    assert.equal(said[0][0], 0x20);
    assert.equal(said[0][3], 0);
    assert.equal(said.length, version === 5 ? 2 : 1);
    assert.equal(lastWord(said), version === 5 ? 0x82 : 0);
    await witness.check();
  });
}

Deno.test("AUTH without a method is a protocol error (v5), a reserved packet (v3.1.1)", async () => {
  await using broker = await TestBroker.start();
  const witness = await Witness.on(broker);
  for (const reason of [0x00, 0x18, 0x19]) {
    const word = lastWord(await provoke(broker.port, packet(0xf0, reason, 0), connect()));
    assert.equal(word, 0x82, `AUTH ${reason}`);
    assert.deepEqual(await provoke(broker.port, packet(0xf0, reason, 0), connect({ version: 4 })), []);
  }
  await witness.check();
});

Deno.test("acknowledgements that nobody waits for harm nobody", async () => {
  await using broker = await TestBroker.start();
  const witness = await Witness.on(broker);
  using peer = await RawPeer.connect(broker.port, connect());
  for (const first of [0x40, 0x50, 0x62, 0x70]) await peer.send(packet(first, uint16(777)));
  const pubrel = await peer.packet();
  assert.equal(pubrel?.[0], 0x62, "PUBREC of an unknown id is answered by PUBREL");
  assert.equal(pubrel?.[4], 0x92);
  const pubcomp = await peer.packet();
  assert.equal(pubcomp?.[0], 0x70, "PUBREL of an unknown id is answered by PUBCOMP");
  assert.equal(pubcomp?.[4], 0x92);
  await peer.send(packet(0xc0));
  assert.equal((await peer.packet())?.[0], 0xd0);
  await witness.check();
});

Deno.test("nothing behind DISCONNECT counts", async () => {
  await using broker = await TestBroker.start();
  const witness = await Witness.on(broker);
  const watcher = await broker.connect();
  await watcher.subscribe("late");
  const bytes = Uint8Array.from([...packet(0xe0), ...publish("late"), ...subscribe("late")]);
  assert.deepEqual(await provoke(broker.port, bytes, connect()), []);
  await watcher.expectNothing();
  await witness.check();
});

Deno.test("an unknown protocol name or level is refused", async () => {
  await using broker = await TestBroker.start();
  const witness = await Witness.on(broker);
  for (const level of [0, 1, 2, 6, 7, 0x7f, 0x84, 0xff]) {
    const bytes = packet(0x10, "MQTT", level, 2, uint16(0), 0, "c");
    const word = lastWord(await provoke(broker.port, bytes));
    assert.ok(word === 0x84 || word === 0x01 || word === undefined, `level ${level}: ${word}`); // [MQTT-3.1.2-2]
  }
  for (const name of ["", "MQT", "MQTTT", "mqtt", "MQIsdp", "HTTP"]) {
    const word = lastWord(await provoke(broker.port, packet(0x10, name, 5, 2, uint16(0), 0, "c")));
    assert.ok(word === 0x84 || word === 0x01 || word === undefined, `name ${name}: ${word}`); // [MQTT-3.1.2-1]
  }
  await witness.check();
});

Deno.test("a first byte that is not CONNECT's closes the connection, whatever length it promises", async () => {
  await using broker = await TestBroker.start();
  const witness = await Witness.on(broker);
  const request = new TextEncoder().encode("GET / HTTP/1.1\r\n\r\n");
  for (const bytes of [request, Uint8Array.of(0x30, 0x7f), Uint8Array.of(0x16, 0x03, 0x01, 0x02, 0x00)]) {
    assert.deepEqual(await provoke(broker.port, bytes), []);
  }
  await witness.check();
});

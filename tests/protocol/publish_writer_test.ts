import assert from "node:assert/strict";
import fc from "fast-check";
import { Effects, type Send } from "../../src/core/effects.ts";
import { Message, messageSource, type QoS } from "../../src/core/message.ts";
import { Topic } from "../../src/core/topic.ts";
import { Endpoint } from "../../src/protocol/endpoint.ts";
import { PublishWriter } from "../../src/protocol/publish_writer.ts";
import { BufferPool } from "../../src/wire/buffer_pool.ts";
import type { Outbox } from "../../src/wire/outbox.ts";
import type { ProtocolVersion } from "../../src/wire/packet.ts";
import { hex, toHex } from "../wire/reading.ts";
import { libraryParse } from "../wire/library.ts";
import { endpointOf } from "./building.ts";

interface MessageShape {
  readonly topic: string;
  readonly payloadBytes: number;
  readonly hasProperties: boolean;
  readonly expiresAt: number;
}

interface EndpointShape {
  readonly version: ProtocolVersion;
  readonly aliases: number;
  readonly packetBytesMax: number;
}

interface SendShape {
  readonly message: number;
  readonly to: number;
  readonly qos: QoS;
  readonly dup: boolean;
  readonly retain: boolean;
  readonly packetId: number;
  readonly ids: readonly number[] | null;
}

const anyMessage: fc.Arbitrary<MessageShape> = fc.record({
  topic: fc.constantFrom("t", "topic/long/enough", "é/ü/ß/temperature", "x".repeat(130)),
  payloadBytes: fc.constantFrom(0, 1, 30, 117, 118, 119, 120, 121, 122, 700, 5_000, 16_373, 16_380, 17_000),
  hasProperties: fc.boolean(),
  expiresAt: fc.constantFrom(Infinity, Infinity, 5_000, 5_001, 0),
});

const anyEndpoint: fc.Arbitrary<EndpointShape> = fc.record({
  version: fc.constantFrom<ProtocolVersion>(3, 4, 5, 5),
  aliases: fc.constantFrom(0, 0, 0, 1, 2),
  packetBytesMax: fc.constantFrom(268_435_460, 268_435_460, 268_435_460, 140, 60),
});

const anySend: fc.Arbitrary<SendShape> = fc.record({
  message: fc.nat(1),
  to: fc.nat(4),
  qos: fc.constantFrom<QoS>(0, 1, 2),
  dup: fc.constantFrom(false, false, false, true),
  retain: fc.constantFrom(false, false, true),
  packetId: fc.integer({ min: 1, max: 65_535 }),
  ids: fc.constantFrom(null, null, null, [1], [268_435_455, 1]),
});

const PROPERTIES = hex('01 01 26 0001 "k" 0001 "v" 26 0001 "k" 0001 "w"');

function messageOf(shape: MessageShape): Message {
  const payload = Uint8Array.from({ length: shape.payloadBytes }, (_, index) => index);
  const properties = shape.hasProperties ? PROPERTIES : undefined;
  const source = messageSource(payload, { qos: 2, retain: false, properties });
  return new Message(new Topic(shape.topic, new TextEncoder().encode(shape.topic)), source, shape.expiresAt);
}

function sendOf(endpoint: Endpoint, message: Message, shape: SendShape): Send {
  const send = new Effects().publish(endpoint, message);
  const { qos, dup, retain, packetId, ids } = shape;
  return Object.assign(send, {
    qos,
    dup: dup && qos > 0,
    retain,
    packetId: qos > 0 ? packetId : 0,
    subscriptionIds: ids,
  });
}

/** One endpoint whose writer is shared with others, and its double whose writer never has anything to copy. */
function pairOf(shape: EndpointShape, pool: BufferPool): [Endpoint, Endpoint] {
  const { version, aliases } = shape;
  return [
    endpointOf({ ...shape, version: version === 3 ? 3 : version, aliases: version === 5 ? aliases : 0, pool }),
    endpointOf({
      ...shape,
      aliases: version === 5 ? aliases : 0,
    }),
  ];
}

const EVERYBODY_TAKES = { sends: [], taking: Array(5).fill(true) };

function drain(outbox: Outbox): string {
  let written = "";
  while (outbox.size > 0) {
    const piece = outbox.take();
    written += toHex(piece);
    outbox.recycle(piece);
  }
  return written;
}

Deno.test("what is shared with, or copied for, the next receiver is what would be encoded for it alone", () => {
  const anyRound = fc.record({
    sends: fc.array(anySend, { maxLength: 30 }),
    taking: fc.array(fc.boolean(), { minLength: 5, maxLength: 5 }),
  });
  const rounds = fc.array(anyRound, { minLength: 1, maxLength: 4 });
  const endpoints = fc.array(anyEndpoint, { minLength: 5, maxLength: 5 });
  fc.assert(
    fc.property(fc.tuple(anyMessage, anyMessage), endpoints, rounds, (messages, shapes, rounds) => {
      const bodies = messages.map(messageOf);
      const pool = new BufferPool();
      const writer = new PublishWriter(pool);
      const pairs = shapes.map((shape) => pairOf(shape, pool));
      for (const { sends, taking } of [...rounds, EVERYBODY_TAKES]) {
        for (const shape of sends) {
          const [shared, alone] = pairs[shape.to];
          const message = bodies[shape.message];
          const fits = writer.write(shared, sendOf(shared, message, shape), 2_500);
          assert.equal(fits, new PublishWriter().write(alone, sendOf(alone, message, shape), 2_500));
        }
        writer.forget(); // as the end of a round does, before anything is transmitted
        for (const [i, [shared, alone]] of pairs.entries()) {
          assert.equal(shared.outbox.size, alone.outbox.size);
          if (taking[i]) assert.equal(drain(shared.outbox), drain(alone.outbox)); // the others are behind
        }
      }
    }),
    { numRuns: 1_500 },
  );
});

Deno.test("what is written is what another library reads", () => {
  fc.assert(
    fc.property(anyMessage, fc.constantFrom<ProtocolVersion>(4, 5), anySend, (shape, version, send) => {
      const endpoint = endpointOf({ version });
      const message = messageOf(shape);
      assert.ok(new PublishWriter().write(endpoint, sendOf(endpoint, message, send), 2_500));
      const [packet, ...rest] = libraryParse(endpoint.outbox.take(), version);
      assert.equal(rest.length, 0);
      assert.ok(packet.cmd === "publish");
      const { qos, retain } = send;
      assert.deepEqual([packet.topic, packet.qos, packet.retain], [shape.topic, qos, retain]);
      assert.equal(packet.messageId, qos > 0 ? send.packetId : undefined);
      assert.deepEqual(Uint8Array.from(packet.payload as Uint8Array), Uint8Array.from(message.payload));
      if (version !== 5) return;
      const ids = send.ids?.length === 1 ? send.ids[0] : send.ids;
      assert.deepEqual(packet.properties?.subscriptionIdentifier, ids ?? undefined);
      const seconds = { 0: 0, 5_000: 3, 5_001: 3 }[shape.expiresAt];
      assert.equal(packet.properties?.messageExpiryInterval, seconds);
      assert.equal(packet.properties?.payloadFormatIndicator, shape.hasProperties ? true : undefined);
    }),
    { numRuns: 1_000 },
  );
});

const ONE: SendShape = { message: 0, to: 0, qos: 1, dup: false, retain: false, packetId: 0x1234, ids: null };

Deno.test("a packet is not copied over a receiver with aliases in between, whose packet had another QoS", () => {
  const message = messageOf({ topic: "topic/a", payloadBytes: 3, hasProperties: false, expiresAt: Infinity });
  const writer = new PublishWriter();
  const [first, aliased, last] = [endpointOf(), endpointOf({ aliases: 5 }), endpointOf()];
  writer.write(first, sendOf(first, message, ONE), 0);
  writer.write(aliased, sendOf(aliased, message, { ...ONE, qos: 0 }), 0);
  writer.write(last, sendOf(last, message, { ...ONE, qos: 0 }), 0);
  assert.equal(toHex(last.outbox.take()), toHex(hex('30 0d 0007 "topic/a" 00 000102')));
});

Deno.test("a packet is not copied over a receiver in between for which it was too large", () => {
  const message = messageOf({ topic: "topic/a", payloadBytes: 3, hasProperties: false, expiresAt: Infinity });
  const writer = new PublishWriter();
  const [first, small, last] = [endpointOf(), endpointOf({ packetBytesMax: 5 }), endpointOf()];
  writer.write(first, sendOf(first, message, ONE), 0);
  assert.ok(!writer.write(small, sendOf(small, message, { ...ONE, qos: 0 }), 0));
  writer.write(last, sendOf(last, message, { ...ONE, qos: 0 }), 0);
  assert.equal(toHex(last.outbox.take()), toHex(hex('30 0d 0007 "topic/a" 00 000102')));
});

Deno.test("[MQTT-3.1.2-24] a packet that is too large is not written, and no alias is set by it", () => {
  const message = messageOf({ topic: "topic/a", payloadBytes: 3, hasProperties: false, expiresAt: Infinity });
  const endpoint = endpointOf({ aliases: 1, packetBytesMax: 17 });
  const writer = new PublishWriter();
  assert.ok(!writer.write(endpoint, sendOf(endpoint, message, { ...ONE, qos: 1 }), 0)); // 20 bytes with the alias
  assert.equal(endpoint.outbox.length, 0);
  assert.equal(endpoint.aliasesOut!.get(message.topic), 0);
});

Deno.test("a topic is spelt out with its alias once, and is the alias alone from then on", () => {
  const message = messageOf({ topic: "topic/a", payloadBytes: 1, hasProperties: false, expiresAt: Infinity });
  const endpoint = endpointOf({ aliases: 1 });
  const writer = new PublishWriter();
  const send = sendOf(endpoint, message, { ...ONE, qos: 0 });
  for (let i = 0; i < 2; i++) writer.write(endpoint, send, 0);
  assert.equal(
    toHex(endpoint.outbox.take()),
    toHex(hex('30 0e 0007 "topic/a" 03 230001 00' + "30 07 0000 03 230001 00")),
  );
});

Deno.test("many receivers in one round, with an outbox that grows under the remembered packet", () => {
  const pool = new BufferPool();
  const writer = new PublishWriter();
  const message = messageOf({ topic: "t", payloadBytes: 200, hasProperties: true, expiresAt: Infinity });
  const endpoints = Array.from({ length: 50 }, () => endpointOf({ version: 4, pool }));
  for (let round = 0; round < 20; round++) {
    endpoints.forEach((endpoint, i) => {
      writer.write(endpoint, sendOf(endpoint, message, { ...ONE, packetId: 1 + round * 50 + i }), 0);
    });
  }
  writer.forget();
  endpoints.forEach((endpoint, i) => {
    const packets = libraryParse(endpoint.outbox.take(), 4);
    const ids = packets.map((packet) => packet.cmd === "publish" ? packet.messageId : undefined);
    assert.deepEqual(ids, Array.from({ length: 20 }, (_, round) => 1 + round * 50 + i));
  });
});

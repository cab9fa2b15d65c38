// Our codec and mqtt-packet, each reading what the other wrote.
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import type { IConnectPacket, IPublishPacket, ISubscribePacket, Packet } from "mqtt-packet";
import { AckHeader, writeAck, writeAckWithReason } from "../../src/wire/acknowledgement.ts";
import { Outbox } from "../../src/wire/outbox.ts";
import { writeMessageProperties } from "../../src/wire/properties.ts";
import { PropertyId } from "../../src/wire/property_table.ts";
import { PublishShape, writePublish } from "../../src/wire/publish.ts";
import { libraryGenerate, libraryParse } from "./library.ts";
import { hex, readOne } from "./reading.ts";

const text = fc.string({ unit: "binary", maxLength: 20 }).map((each) => each.replaceAll("\0", ""));
const topic = text.map((each) => "t" + each.replace(/[+#]/g, ""));
const binary = fc.uint8Array({ maxLength: 30 }).map((each) => Buffer.from(each));
const uint16 = fc.integer({ min: 1, max: 0xffff });
const uint32 = fc.integer({ min: 1, max: 0xffff_ffff });
const qos = fc.constantFrom(0 as const, 1 as const, 2 as const);
const version = fc.constantFrom(4 as const, 5 as const);
const name = text.filter((each) => each !== "__proto__" && !/^\d+$/.test(each)); // an object would reorder numbers
const userProperties = fc.dictionary(name, text, { minKeys: 1, maxKeys: 4, noNullPrototype: true });

function optional<T>(model: Record<string, fc.Arbitrary<unknown>>): fc.Arbitrary<T> {
  return fc.record(model, { requiredKeys: [] }) as fc.Arbitrary<T>;
}

const publishProperties = optional<NonNullable<IPublishPacket["properties"]>>({
  payloadFormatIndicator: fc.boolean(),
  messageExpiryInterval: uint32,
  topicAlias: uint16,
  responseTopic: topic,
  correlationData: binary,
  userProperties,
  contentType: text,
});

const publishPacket = fc.record({
  cmd: fc.constant("publish" as const),
  topic,
  payload: binary,
  qos,
  dup: fc.boolean(),
  retain: fc.boolean(),
  messageId: uint16,
  properties: publishProperties,
}).map((packet) => ({ ...packet, dup: packet.dup && packet.qos > 0 }));

Deno.test("a PUBLISH that mqtt-packet writes is read as it was meant", () => {
  fc.assert(
    fc.property(publishPacket, version, (packet, version) => {
      const { properties } = packet;
      const value = readOne(libraryGenerate(packet, version), version);
      assert.equal(value.topic, packet.topic);
      assert.deepEqual(value.payload, new Uint8Array(packet.payload));
      assert.deepEqual([value.qos, value.dup, value.retain], [packet.qos, packet.dup, packet.retain]);
      assert.equal(value.packetId, packet.qos > 0 ? packet.messageId : 0);
      if (version === 4) return assert.deepEqual(value.properties, []);
      assert.equal(value.topicAlias, properties.topicAlias ?? 0);
      assert.equal(value.expirySeconds, properties.messageExpiryInterval ?? -1);
      assert.equal(value.payloadIsUtf8, properties.payloadFormatIndicator ?? false);
      assert.equal(value.hasResponseTopic, properties.responseTopic !== undefined);
      assert.deepEqual(forwardedOf(value.properties), forwardedOf(listOf(properties)));
    }),
    { numRuns: 500 },
  );
});

interface Entry {
  id: number;
  value: unknown;
}

/** The forwarded properties by identifier, and user properties in order. */
function forwardedOf(entries: unknown): Entry[] {
  return (entries as Entry[]).toSorted((a, b) => a.id - b.id);
}

function listOf(properties: NonNullable<IPublishPacket["properties"]>): Entry[] {
  const list: Entry[] = [
    { id: PropertyId.payloadFormat, value: properties.payloadFormatIndicator && 1 },
    { id: PropertyId.contentType, value: properties.contentType },
    { id: PropertyId.responseTopic, value: properties.responseTopic },
    { id: PropertyId.correlationData, value: properties.correlationData && new Uint8Array(properties.correlationData) },
  ].filter(({ value }) => value !== undefined);
  if (properties.payloadFormatIndicator === false) list[0].value = 0;
  for (const pair of Object.entries(properties.userProperties ?? {})) {
    list.push({ id: PropertyId.userProperty, value: pair });
  }
  return list;
}

Deno.test("a PUBLISH that we write is read by mqtt-packet as it was meant", () => {
  const subscriptionIds = fc.option(fc.array(fc.integer({ min: 1, max: 268_435_455 }), { minLength: 1, maxLength: 3 }));
  fc.assert(
    fc.property(publishPacket, version, subscriptionIds, (packet, version, subscriptionIds) => {
      const { topicAlias, messageExpiryInterval, ...rest } = packet.properties;
      const properties = writeMessageProperties({
        payloadIsUtf8: rest.payloadFormatIndicator,
        contentType: rest.contentType,
        responseTopic: rest.responseTopic,
        correlationData: rest.correlationData,
        userProperties: Object.entries(rest.userProperties ?? {}) as [string, string][],
      });
      const shape = Object.assign(new PublishShape(), {
        version,
        qos: packet.qos,
        dup: packet.dup,
        retain: packet.retain,
        packetId: packet.messageId,
        topicAlias: topicAlias ?? 0,
        expirySeconds: messageExpiryInterval ?? -1,
        subscriptionIds,
      });
      const out = new Outbox();
      writePublish(out, {
        topic: { bytes: new TextEncoder().encode(packet.topic) },
        properties,
        propertiesStart: 0,
        propertiesEnd: properties.length,
        bytes: packet.payload,
        payloadStart: 0,
        payloadEnd: packet.payload.length,
      }, shape);
      const [parsed] = libraryParse(out.take(), version) as IPublishPacket[];
      assert.equal(parsed.topic, packet.topic);
      assert.deepEqual(parsed.payload, packet.payload);
      assert.deepEqual([parsed.qos, parsed.dup, parsed.retain], [packet.qos, packet.dup, packet.retain]);
      if (packet.qos > 0) assert.equal(parsed.messageId, packet.messageId);
      if (version === 4) return;
      const expected: Record<string, unknown> = { ...packet.properties };
      if (subscriptionIds) {
        expected.subscriptionIdentifier = subscriptionIds.length === 1 ? subscriptionIds[0] : subscriptionIds;
      }
      assert.deepEqual(plain(parsed.properties), plain(expected));
    }),
    { numRuns: 500 },
  );
});

/** Without prototypes, absent values and empty bags, which mean the same. */
function plain(properties: object | undefined): Record<string, unknown> {
  const entries = Object.entries(properties ?? {}).filter(([, value]) => value !== undefined);
  const flat = entries.map(([key, value]) => [key, key === "userProperties" ? { ...value } : value]);
  return Object.fromEntries(flat.filter(([key, value]) => key !== "userProperties" || Object.keys(value).length > 0));
}

const will = fc.record({
  topic,
  payload: binary,
  qos,
  retain: fc.boolean(),
  properties: optional<Record<string, unknown>>({
    willDelayInterval: uint32,
    messageExpiryInterval: uint32,
    contentType: text,
  }),
});

const connectPacket = fc.record({
  cmd: fc.constant("connect" as const),
  protocolId: fc.constant("MQTT" as const),
  protocolVersion: version,
  clientId: text,
  clean: fc.constant(true),
  keepalive: fc.integer({ min: 0, max: 0xffff }),
  username: text,
  password: fc.option(binary, { nil: undefined }),
  will: fc.option(will, { nil: undefined }),
  properties: optional<NonNullable<IConnectPacket["properties"]>>({
    sessionExpiryInterval: uint32,
    receiveMaximum: uint16,
    maximumPacketSize: fc.integer({ min: 1, max: 268_435_460 }),
    topicAliasMaximum: uint16,
    requestResponseInformation: fc.boolean(),
    requestProblemInformation: fc.boolean(),
    authenticationMethod: text,
    userProperties,
  }),
});

Deno.test("a CONNECT that mqtt-packet writes is read as it was meant", () => {
  fc.assert(
    fc.property(connectPacket, (packet) => {
      const version = packet.protocolVersion;
      const value = readOne(libraryGenerate(packet as Packet, version), version);
      assert.equal(value.clientId, packet.clientId);
      assert.equal(value.username, packet.username);
      assert.deepEqual(value.password, packet.password && new Uint8Array(packet.password));
      assert.equal(value.keepAliveSeconds, packet.keepalive);
      const read = value.will as Record<string, unknown> | undefined;
      assert.equal(read?.topic, packet.will?.topic);
      assert.deepEqual(read?.payload, packet.will && new Uint8Array(packet.will.payload));
      assert.deepEqual([read?.qos, read?.retain], [packet.will?.qos, packet.will?.retain]);
      if (version === 4) return;
      const { properties } = packet;
      assert.equal(value.sessionExpirySeconds, properties.sessionExpiryInterval ?? 0);
      assert.equal(value.receiveMaximum, properties.receiveMaximum ?? 65_535);
      assert.equal(value.maximumPacketBytes, properties.maximumPacketSize ?? 268_435_460);
      assert.equal(value.topicAliasMaximum, properties.topicAliasMaximum ?? 0);
      assert.equal(value.requestResponseInformation, properties.requestResponseInformation ?? false);
      assert.equal(value.requestProblemInformation, properties.requestProblemInformation ?? true);
      assert.equal(value.authenticationMethod, properties.authenticationMethod);
      assert.deepEqual(value.userProperties, Object.entries(properties.userProperties ?? {}));
      assert.equal(read?.expirySeconds, packet.will?.properties.messageExpiryInterval);
      assert.equal(read?.delaySeconds ?? 0, packet.will?.properties.willDelayInterval ?? 0);
    }),
    { numRuns: 300 },
  );
});

const subscription = fc.record({
  topic,
  qos,
  nl: fc.boolean(),
  rap: fc.boolean(),
  rh: fc.constantFrom(0, 1, 2),
});

Deno.test("a SUBSCRIBE and an UNSUBSCRIBE that mqtt-packet writes are read as they were meant", () => {
  const subscriptions = fc.array(subscription, { minLength: 1, maxLength: 5 });
  fc.assert(
    fc.property(subscriptions, uint16, version, (subscriptions, messageId, version) => {
      const subscribe: ISubscribePacket = { cmd: "subscribe", messageId, subscriptions };
      const value = readOne(libraryGenerate(subscribe, version), version);
      const isV5 = version === 5;
      assert.deepEqual(value, {
        packetId: messageId,
        subscriptionId: 0,
        requests: subscriptions.map((each) => ({
          filter: each.topic,
          qos: each.qos,
          noLocal: isV5 && each.nl,
          retainAsPublished: isV5 && each.rap,
          retainHandling: isV5 ? each.rh : 0,
        })),
        userProperties: [],
      });
      const unsubscriptions = subscriptions.map((each) => each.topic);
      const unsubscribe = libraryGenerate({ cmd: "unsubscribe", messageId, unsubscriptions }, version);
      assert.deepEqual(readOne(unsubscribe, version), { packetId: messageId, filters: unsubscriptions });
    }),
    { numRuns: 200 },
  );
});

Deno.test("acknowledgements that we write are read by mqtt-packet as they were meant", () => {
  for (const [cmd, header] of Object.entries(AckHeader)) {
    const reasonCode = cmd === "puback" || cmd === "pubrec" ? 0x97 : 0x92;
    for (const packetId of [1, 0x0102, 0xffff]) {
      const out = new Outbox();
      writeAck(out, header, packetId);
      writeAckWithReason(out, { header, packetId, reasonCode, reasonString: "ä" });
      const [bare, reasoned] = libraryParse(out.take(), 5) as (Packet & { reasonCode: number })[];
      assert.deepEqual([bare.cmd, bare.messageId], [cmd, packetId]);
      assert.deepEqual([reasoned.cmd, reasoned.messageId, reasoned.reasonCode], [cmd, packetId, reasonCode]);
    }
  }
});

Deno.test("[MQTT-3.3.2-18] user properties keep order and duplicates, where mqtt-packet would group them", () => {
  const pairs: [string, string][] = [["b", "1"], ["a", "2"], ["b", "3"]];
  const properties = writeMessageProperties({ userProperties: pairs });
  const value = readOne(hex(`30 19 0001 "t" 15 ${properties.toHex()}`), 5);
  assert.deepEqual(value.properties, pairs.map((pair) => ({ id: PropertyId.userProperty, value: pair })));
});

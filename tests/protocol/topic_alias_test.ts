import assert from "node:assert/strict";
import type { Packet } from "mqtt-packet";
import { Refusal } from "../../src/core/refusal.ts";
import type { Endpoint } from "../../src/protocol/endpoint.ts";
import { PacketHandler } from "../../src/protocol/packet_handler.ts";
import { aliasedTopic, AliasesOut, setAlias } from "../../src/protocol/topic_alias.ts";
import { TopicTable } from "../../src/protocol/topic_table.ts";
import { DEFAULT_LIMITS } from "../../src/core/limits.ts";
import { brokerOf, endpointOf, frameOf } from "./building.ts";

const topics = new TopicTable(DEFAULT_LIMITS);

function refusal(cause: string): (error: unknown) => boolean {
  return (error) => error instanceof Refusal && error.refusal === cause;
}

Deno.test("[MQTT-3.1.2-26] aliases towards a client go up to its maximum, first come first served", () => {
  const aliases = new AliasesOut(2);
  for (const [name, alias] of [["first", 1], ["second", 2], ["third", 0], ["first", 1]] as const) {
    const topic = topics.of(name);
    const known = aliases.get(topic);
    assert.equal(known === 0 ? aliases.propose(topic) : known, alias);
    if (known === 0 && alias !== 0) aliases.set(topic, alias);
  }
});

Deno.test("a topic no longer than what an alias costs gets none", () => {
  const aliases = new AliasesOut(2);
  assert.equal(aliases.propose(topics.of("abc")), 0);
  assert.equal(aliases.propose(topics.of("abcd")), 1);
});

Deno.test("an alias that was proposed and not sent is proposed again", () => {
  const aliases = new AliasesOut(2);
  assert.equal(aliases.propose(topics.of("first")), 1);
  assert.equal(aliases.propose(topics.of("second")), 1);
});

Deno.test("[MQTT-3.3.2-9] [MQTT-3.3.2-12] a client's alias is what it set last, up to the announced maximum", () => {
  const endpoint = endpointOf({ settings: { topicAliasMaximum: 2 } });
  assert.throws(() => aliasedTopic(endpoint, 1), refusal("protocol-error"));
  setAlias(endpoint, 2, topics.of("a"));
  assert.equal(aliasedTopic(endpoint, 2).name, "a");
  setAlias(endpoint, 2, topics.of("b"));
  assert.equal(aliasedTopic(endpoint, 2).name, "b");
  assert.throws(() => aliasedTopic(endpoint, 1), refusal("protocol-error"));
  assert.throws(() => setAlias(endpoint, 3, topics.of("c")), refusal("topic-alias-invalid"));
  assert.throws(() => aliasedTopic(endpoint, 3), refusal("topic-alias-invalid"));
});

Deno.test("[MQTT-3.3.2-7] aliases of one connection mean nothing on another", () => {
  const [one, other] = [endpointOf(), endpointOf()];
  setAlias(one, 1, topics.of("a"));
  assert.throws(() => aliasedTopic(other, 1), refusal("protocol-error"));
});

/** A client at the packet handler, and the topics that its publishes reached. */
class Bench {
  readonly parts = brokerOf();
  readonly handler = new PacketHandler(this.parts.broker, this.parts.topics, this.parts.turn);
  readonly published: string[] = [];

  connect(): Endpoint {
    const endpoint = endpointOf({ settings: { topicAliasMaximum: 5 } });
    endpoint.policy = { mayPublish: (_, topic) => topic !== "forbidden", maySubscribe: () => true };
    endpoint.session = this.parts.broker.attach({
      origin: { remoteAddress: "", listener: "", protocolVersion: 5 },
      clientId: "alice",
      username: undefined,
      peer: endpoint,
      clean: false,
      expirySeconds: 60,
      receiveMaximum: 10,
      will: undefined,
    }, this.parts.turn);
    return endpoint;
  }

  publish(endpoint: Endpoint, packet: Partial<Packet> & { topic: string; alias: number }): void {
    const { topic, alias, ...rest } = packet;
    const full = { cmd: "publish", topic, payload: "x", qos: 0, dup: false, retain: false, ...rest } as Packet;
    const properties = alias === 0 ? undefined : { topicAlias: alias };
    this.parts.turn.watchesMessages = true;
    this.handler.handle(endpoint, frameOf({ ...full, properties } as Packet, 5));
    for (const happening of this.parts.turn.effects.happenings) {
      if (happening.kind === "message-published") this.published.push(happening.message.topic.name);
    }
    this.parts.turn.effects.clear();
  }
}

Deno.test("a topic that is spelt out sets its alias, whatever becomes of the message", () => {
  const bench = new Bench();
  const endpoint = bench.connect();
  bench.publish(endpoint, { topic: "a", alias: 1 });
  bench.publish(endpoint, { topic: "", alias: 1 });
  bench.publish(endpoint, { topic: "forbidden", alias: 1 });
  bench.publish(endpoint, { topic: "", alias: 1 });
  bench.publish(endpoint, { topic: "b", alias: 1 });
  bench.publish(endpoint, { topic: "", alias: 1 });
  assert.deepEqual(bench.published, ["a", "a", "b", "b"]);
});

Deno.test("a QoS 2 message that comes again after a reconnect sets its alias on the new connection", () => {
  const bench = new Bench();
  const first = { topic: "a", alias: 1, qos: 2 as const, messageId: 9 };
  bench.publish(bench.connect(), first);
  const endpoint = bench.connect();
  bench.publish(endpoint, { ...first, dup: true }); // PUBREC was lost
  bench.publish(endpoint, { topic: "", alias: 1 });
  assert.deepEqual(bench.published, ["a", "a"]);
});

Deno.test("an alias alone that was never set ends the connection", () => {
  const bench = new Bench();
  const endpoint = bench.connect();
  assert.throws(() => bench.publish(endpoint, { topic: "", alias: 3 }), refusal("protocol-error"));
  assert.throws(() => bench.publish(endpoint, { topic: "a", alias: 6 }), refusal("topic-alias-invalid"));
});

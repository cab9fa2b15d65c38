/** A message published through any door reaches subscribers behind every other one, with what both doors can say of it. */
import assert from "node:assert/strict";
import { WeirBroker } from "../../mod.ts";
import { inTime } from "../embedding/waiting.ts";
import { type Door, type Fact, type Facts, type QoS, type Shown } from "./door.ts";
import { findCommand, requires } from "../support/skip.ts";
import { DOORS } from "./doors.ts";

const FACTS: Facts = {
  contentType: "application/json",
  responseTopic: "reply/to/me",
  correlationData: [0, 1, 255],
  userProperties: [["key", "1"], ["key", "2"], ["other", "ä"]],
};

/** A session that polls is away most of the time. */
const LIMITS = { queueQos0: true };

/** What `to` shows of a message that `from` has said. */
function expected(message: Shown, from: Door, to: Door): Shown {
  const { topic, payload, ...facts } = message;
  const both = Object.entries(facts).filter(([name]) => to.shows.has(name as Fact));
  const said = both.map(([name, value]) => [name, from.sends.has(name as Fact) ? value : unsaid(name as Fact)]);
  return { topic, payload, ...Object.fromEntries(said) };
}

function unsaid(fact: Fact): unknown {
  return fact === "qos" ? 0 : fact === "retain" ? false : undefined;
}

/** Without what the door does not show, and what nobody has said. */
function plain(message: Shown, to: Door): Shown {
  const entries = Object.entries(message).filter(([name, value]) => {
    return value !== undefined && (name === "topic" || name === "payload" || to.shows.has(name as Fact));
  });
  return Object.fromEntries(entries) as unknown as Shown;
}

const available = DOORS.filter(({ needs }) => needs === undefined || findCommand(needs) !== undefined);

function test(doors: readonly Door[], name: string, fn: () => Promise<void>): void {
  Deno.test(requires(doors.flatMap(({ needs }) => needs ?? []), { name, fn }));
}

for (const from of DOORS) {
  for (const to of DOORS) {
    test([from, to], `${from.name} to ${to.name}: every QoS, in order, with what both can say`, async () => {
      await using broker = await WeirBroker.start({ sysIntervalMs: 0, shutdownTimeoutMs: 1_000, limits: LIMITS });
      await using sender = await from.open(broker);
      await using receiver = await to.open(broker);
      const topic = "matrix/a";
      const next = await receiver.subscribe(topic);
      for (const qos of [0, 1, 2, 1, 0] as QoS[]) {
        const message = { topic, payload: `"${from.name} ${qos}"`, qos, retain: false, ...FACTS };
        await sender.publish(message);
        const shown = await inTime(next(), `what ${from.name} has published with QoS ${qos}`);
        assert.deepEqual(plain(shown, to), plain(expected(message, from, to), to));
      }
    });
  }

  test([from], `${from.name}: what is published to a durable queue is in it once that is acknowledged`, async () => {
    await using broker = await WeirBroker.start({ sysIntervalMs: 0, shutdownTimeoutMs: 1_000, limits: LIMITS });
    await using sender = await from.open(broker);
    await sender.publish({ topic: "$queue/matrix/a/b", payload: `"${from.name}"`, qos: 1, retain: false, ...FACTS });
    assert.equal(broker.queues.get("matrix")?.stored.count, 1);
    using reader = broker.queues.consume("matrix", { group: "g" });
    const { value: message } = await inTime(reader.next(), `what ${from.name} has handed over`);
    assert.deepEqual([message!.routingKey, new TextDecoder().decode(message!.payload)], ["a/b", `"${from.name}"`]);
    const { contentType, responseTopic, correlationData, userProperties } = message!;
    const got: Facts = { contentType, responseTopic, correlationData: [...correlationData ?? []], userProperties };
    for (const name of Object.keys(FACTS) as Fact[]) {
      if (from.sends.has(name)) assert.deepEqual(got[name], FACTS[name], name);
    }
  });

  test([from], `${from.name}: what is retained is there for every door that opens later`, async () => {
    await using broker = await WeirBroker.start({ sysIntervalMs: 0, shutdownTimeoutMs: 1_000, limits: LIMITS });
    await using sender = await from.open(broker);
    const message = { topic: "matrix/kept", payload: '"kept"', qos: 1 as const, retain: true, ...FACTS };
    await sender.publish(message);
    for (const to of available) {
      await using receiver = await to.open(broker);
      const next = await receiver.subscribe(message.topic);
      const shown = await inTime(next(), `the retained message, by ${to.name}`);
      assert.deepEqual(plain(shown, to), plain(expected(message, from, to), to));
    }
  });
}

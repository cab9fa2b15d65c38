// What is kept where the limits have no room.
import assert from "node:assert/strict";
import { Broker } from "../../src/core/broker.ts";
import type { Limits } from "../../src/core/limits.ts";
import { attachRequestOf, drain, inWords, limitsOf, messageOf, payloadOf, subscribe, turnOf } from "./building.ts";

/** A broker with a subscriber of everything. */
class Bench {
  readonly limits: { -readonly [Name in keyof Limits]: Limits[Name] };
  readonly turn;
  readonly broker: Broker;

  constructor(limits: Partial<Limits>) {
    this.limits = limitsOf(limits);
    this.turn = turnOf(this.limits);
    this.broker = new Broker(this.limits);
    subscribe(this, this.broker.attach(attachRequestOf("alice"), this.turn), "#");
    drain(this.turn);
  }

  /** Answers what is said, and what is written of retained messages. */
  retain(topic: string, payload: string): string[] {
    this.broker.publish(messageOf(topic, { payload, retain: true }), null, this.turn);
    const { sends, writes } = drain(this.turn);
    const kinds = writes.map(({ kind }) => kind).filter((kind) => kind.startsWith("retained"));
    return [...sends.map(inWords), ...kinds];
  }

  get kept(): string[] {
    return this.broker.retained.match("#").map((message) => `${message.topic.name} ${payloadOf(message)}`);
  }
}

Deno.test("[MQTT-3.3.1-5] a topic does not go on serving an old message after one that there is no room to keep", () => {
  const bench = new Bench({ retainedBytesMax: 110 }); // a level takes 96
  assert.deepEqual(bench.retain("a", "short"), ['PUBLISH alice a "short"', "retained-set"]);
  assert.deepEqual(bench.retain("a", "a longer one, of more"), [
    'PUBLISH alice a "a longer one, of more"',
    "retained-cleared",
  ]);
  assert.deepEqual(bench.kept, []);
  assert.equal(bench.turn.statistics.droppedByCause["retained-limit"], 1);
});

Deno.test("what takes no more than the former message does is kept, also where limits were lowered below what there is", () => {
  const bench = new Bench({});
  for (const topic of ["a", "b", "c"]) bench.retain(topic, "12345");
  bench.limits.retainedMessagesMax = 2;
  bench.limits.retainedBytesMax = 150;
  bench.retain("a", "other");
  bench.retain("b", "123456");
  bench.retain("d", "x");
  assert.deepEqual(bench.kept, ["a other", "c 12345"]);
});

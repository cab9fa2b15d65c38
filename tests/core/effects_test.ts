import assert from "node:assert/strict";
import { Effects, SendKind } from "../../src/core/effects.ts";
import { messageOf, sessionOf, StubPeer } from "./building.ts";

const peer = new StubPeer("alice");

Deno.test("records are used again, and hold on to no message, session or connection when they are spare", () => {
  const effects = new Effects();
  const send = effects.publish(peer, messageOf("a"));
  send.session = sessionOf("alice");
  effects.clear();
  assert.deepEqual([effects.length, send.message, send.session], [0, null, null]);
  assert.notEqual(send.peer, peer);
  assert.equal(effects.publish(peer, messageOf("b")), send);
});

Deno.test("what is said before the rest leaves nothing in the records behind it", () => {
  const effects = new Effects();
  const sends = ["a", "b", "c"].map((topic) => effects.publish(peer, messageOf(topic)));
  effects.truncate(1);
  assert.equal(effects.length, 1);
  assert.deepEqual(sends.map(({ message }) => message?.topic.name), ["a", undefined, undefined]);
  assert.deepEqual(sends.map((send) => send.peer === peer), [true, false, false]);
});

Deno.test("an acknowledgement says success, whatever its record said before", () => {
  const effects = new Effects();
  effects.disconnect(peer, "server-busy");
  const refused = effects.acknowledge(SendKind.puback, peer, 1);
  refused.outcome = "quota-exceeded";
  refused.reason = "too much";
  effects.clear();
  effects.acknowledge(SendKind.pubcomp, peer, 2);
  const second = effects.acknowledge(SendKind.pubrec, peer, 3);
  assert.equal(second, refused);
  assert.deepEqual([second.kind, second.packetId, second.outcome, second.reason], [SendKind.pubrec, 3, "success", ""]);
});

Deno.test("effects are empty when nothing is to be written, said, told or gone on with", () => {
  const effects = new Effects();
  assert.ok(effects.isEmpty);
  for (
    const act of [
      () => effects.connack(peer, true),
      () => void effects.writes.push({ kind: "will-cleared", clientId: "alice" }),
      () => void effects.happenings.push({ kind: "session-taken-over", clientId: "alice" }),
      () => void effects.unfinished.add(sessionOf("alice")),
      () => void effects.loads.push(sessionOf("alice")),
    ]
  ) {
    act();
    assert.ok(!effects.isEmpty);
    effects.clear();
    assert.ok(effects.isEmpty);
  }
});

import assert from "node:assert/strict";
import { type Effects, type Send, SendKind } from "../../src/core/effects.ts";
import { DEFAULT_LIMITS } from "../../src/core/limits.ts";
import { Turn } from "../../src/core/turn.ts";
import { CommitLoop, type Speaker } from "../../src/server/commit_loop.ts";
import { MemoryStore } from "../../src/store/memory.ts";
import { messageOf, payloadOf } from "../core/building.ts";

/** Counts what it is told and how often it is let go. */
class Listener implements Speaker {
  readonly isOpen = true;
  readonly congested = false;
  isDirty = false;
  heldSubacks = 0;
  heldAnswers = 0;
  told = 0;
  transmitted = 0;

  speak(_: Send): void {
    this.told++;
  }

  transmit(): void {
    this.transmitted++;
  }
}

/** A loop whose store and whose passes wait for the test. */
class Bench {
  readonly turn = new Turn(DEFAULT_LIMITS);
  readonly passes: (() => void)[] = [];
  readonly commits: (() => void)[] = [];
  readonly loop: CommitLoop;

  constructor(onHappening: () => void = () => {}) {
    const store = new MemoryStore();
    const ignore = () => {};
    this.loop = new CommitLoop({
      turn: this.turn,
      store: {
        load: () => store.load(),
        page: (request) => store.page(request),
        close: () => store.close(),
        commit: () => new Promise((resolve) => this.commits.push(resolve)),
      },
      pass: () => new Promise((resolve) => this.passes.push(resolve)),
      ...{ onHappening, onLoad: ignore, onHandOn: ignore, onQueueLoad: ignore, onRoundEnd: ignore },
      onFailure: ignore,
    });
  }
}

async function microtasks(): Promise<void> {
  for (let i = 0; i < 10; i++) await Promise.resolve();
}

Deno.test("a message for a hundred thousand who are away is as much as may wait for the disk, though nothing is said of it", async () => {
  const { turn, loop, commits } = new Bench();
  const write = (count: number) => {
    for (let i = 0; i < count; i++) turn.effects.writes.push({ kind: "will-cleared", clientId: `${i}` });
  };
  write(4_095);
  assert.equal(loop.isLaden, false);
  write(1);
  assert.equal(loop.isLaden, true, "the next packet waits until this has been settled");
  write(60_000);
  loop.settle();
  await microtasks();
  assert.equal(loop.isOverloaded, false);
  write(60_000);
  loop.settle();
  assert.equal(loop.isOverloaded, true);
  commits.shift()!();
  await microtasks();
  assert.equal(loop.isOverloaded, false);
  commits.shift()!();
  await loop.settled();
});

Deno.test("thousands of peers are written to some hundreds at a time, each once for all that it was told", async () => {
  const { turn, loop, passes } = new Bench();
  const listeners = Array.from({ length: 2_000 }, () => new Listener());
  const tellAll = () => {
    for (const listener of listeners) turn.effects.pingresp(listener);
    loop.settle();
  };
  const written = () => listeners.filter(({ transmitted }) => transmitted > 0).length;
  tellAll();
  await Promise.resolve();
  assert.equal(written(), 100);
  const other = new Listener();
  turn.effects.pingresp(other);
  loop.settle();
  await Promise.resolve();
  assert.equal(other.transmitted, 1, "who is told something beside a crowd does not wait for it");
  tellAll(); // those that were written to already are told again, and wait behind the others
  for (let goes = 0; passes.length > 0; goes++) {
    assert.equal(written(), Math.min(2_000, 100 * (goes + 1)));
    passes.shift()!();
    await microtasks();
  }
  assert.deepEqual(new Set(listeners.map(({ told }) => told)), new Set([2]));
  assert.deepEqual(listeners.map(({ transmitted }) => transmitted).slice(98, 102), [2, 2, 1, 1]);
});

Deno.test("[MQTT-4.6.0-5] QoS 0 messages that wait behind a SUBACK are not overtaken by those that come when it has been said", async () => {
  const { turn, loop, commits } = new Bench();
  const alice = new Listener();
  const said: string[] = [];
  alice.speak = ({ kind, message }) => void said.push(kind === SendKind.suback ? "SUBACK" : payloadOf(message!));
  const say = (decide: (effects: Effects) => void, writes: boolean) => {
    decide(turn.effects);
    if (writes) turn.effects.writes.push({ kind: "will-cleared", clientId: "another" });
    loop.settle();
  };
  const publish = (payload: string) => (effects: Effects) =>
    effects.publish(alice, messageOf("t", { payload })).qos = 0;
  say((effects) => effects.suback(alice, 1, [0]), true);
  await microtasks();
  say(publish("1"), true);
  say(publish("2"), false);
  commits.shift()!();
  await microtasks();
  assert.deepEqual(
    said,
    ["SUBACK", "1", "2"],
    "no promise hangs on them: they do not wait for what stands beside them",
  );
  say(publish("3"), false);
  assert.equal(commits.length, 1, "which is under way");
  assert.deepEqual(said, ["SUBACK", "1", "2", "3"]);
});

Deno.test("[MQTT-4.6.0-5] QoS 0 messages that wait behind a SUBACK are not overtaken by what a watcher publishes when it hears of it", async () => {
  const alice = new Listener();
  const said: string[] = [];
  alice.speak = ({ kind, message }) => void said.push(kind === SendKind.suback ? "SUBACK" : payloadOf(message!));
  const { turn, loop, commits } = new Bench(() => publish("2"));
  const publish = (payload: string) => {
    turn.effects.publish(alice, messageOf("t", { payload })).qos = 0;
    loop.settle();
  };
  turn.effects.suback(alice, 1, [0]);
  turn.effects.writes.push({ kind: "will-cleared", clientId: "another" });
  turn.effects.happenings.push({ kind: "subscribed", clientId: "alice", filter: "t", qos: 0 });
  loop.settle();
  await microtasks();
  publish("1");
  commits.shift()!();
  await microtasks();
  assert.deepEqual(said, ["SUBACK", "1", "2"]);
});

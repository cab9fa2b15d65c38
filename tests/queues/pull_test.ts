/** Who pulls from a queue is a member of its group between its calls, and leaves in the end. */
import assert from "node:assert/strict";
import { DEFAULT_LIMITS } from "../../src/core/limits.ts";
import { DEFAULT_QUEUE } from "../../src/core/queue/definition.ts";
import { Queues } from "../../src/core/queue/queues.ts";
import { Refusal } from "../../src/core/refusal.ts";
import { Turn } from "../../src/core/turn.ts";
import type { Alarm, AlarmHandle, Clock } from "../../src/server/clock.ts";
import { PullConsumers, type Puller } from "../../src/server/pull_consumers.ts";

/** A broker's part in it, with a clock that a test moves. */
class World {
  readonly turn = new Turn(DEFAULT_LIMITS);
  readonly queues = new Queues({
    random: () => 0.5,
    template: DEFAULT_QUEUE,
    autoCreate: true,
    queuesMax: 10,
    groupsMax: 10,
  });
  readonly pulls: PullConsumers;
  #now = 1_000;
  #alarms: { at: number; alarm: Alarm }[] = [];

  constructor() {
    const clock = {
      now: () => this.#now,
      timeOfDay: (at = this.#now) => at,
      set: (at: number, alarm: Alarm) => {
        const entry = { at, alarm };
        this.#alarms.push(entry);
        return entry as unknown as AlarmHandle;
      },
      cancel: (handle: AlarmHandle) => {
        this.#alarms = this.#alarms.filter((entry) => entry !== handle as unknown);
      },
    } as unknown as Clock;
    this.queues.create({ ...DEFAULT_QUEUE, name: "q", partitions: 1, ordering: "none" }, this.turn);
    const decide = <T>(decide: (turn: Turn) => T) => {
      this.turn.now = this.#now;
      return decide(this.turn);
    };
    this.pulls = new PullConsumers({ queues: this.queues, clock, decide, settled: () => Promise.resolve() });
  }

  /** Time goes by; alarms ring in between. */
  pass(ms: number): void {
    const end = this.#now + ms;
    for (;;) {
      const due = this.#alarms.filter(({ at }) => at <= end).toSorted((a, b) => a.at - b.at)[0];
      if (due === undefined) break;
      this.#now = Math.max(this.#now, due.at);
      due.at = due.alarm.ring(this.#now);
      this.#alarms = this.#alarms.filter(({ at }) => at !== Infinity);
    }
    this.#now = end;
    this.turn.now = end;
    this.queues.tick(this.turn);
  }

  put(): void {
    const publication = {
      ...{ topic: "$queue/q", queue: "q", routingKey: "", key: "", messageKey: "", delayMs: 0, priority: 0 },
      ...{ expiresAt: Infinity, properties: new Uint8Array(0), payload: new Uint8Array(1) },
    };
    this.queues.append(publication, this.turn);
  }

  pull(more: Partial<Puller> = {}, signal = new AbortController().signal, { waitMs = 0 } = {}) {
    const puller: Puller = {
      ...{ clientId: "c", username: undefined, queue: "q", group: "g", expiresAt: Infinity },
      ...{ holds: () => true, may: () => true, meter: () => {}, ...more },
    };
    return this.pulls.pull(puller, { group: "g", filter: "#", max: 10, waitMs, signal });
  }

  get members(): number {
    return this.queues.view("q")!.groups[0].members.length;
  }
}

Deno.test("a member that holds nothing and does not ask leaves after 30 seconds, one that asks stays", async () => {
  const world = new World();
  await world.pull();
  world.pass(20_000);
  await world.pull();
  world.pass(29_000);
  assert.equal(world.members, 1);
  world.pass(1_000);
  assert.equal(world.members, 0);
});

Deno.test("a member that holds a message stays until that is settled or timed out", async () => {
  const world = new World();
  await world.pull();
  world.put();
  const [held] = await world.pull();
  for (let i = 0; i < 9; i++) {
    world.queues.extend(held, 30_000, world.turn);
    world.pass(20_000);
  }
  assert.equal(world.members, 1);
  world.pass(31_000);
  assert.equal(held.isHeld, false);
  world.pass(60_000);
  assert.equal(world.members, 0);
});

Deno.test("a member leaves when what its client was let in by ends, and what it had counts as failed", async () => {
  const world = new World();
  await world.pull({ expiresAt: 6_000 });
  await world.pull({ clientId: "d" });
  world.put();
  assert.equal((await world.pull({ expiresAt: 6_000 })).length, 1);
  world.pass(4_999);
  assert.equal(world.members, 2);
  world.pass(1);
  assert.equal(world.members, 1);
  assert.equal((await world.pull({ clientId: "d" }))[0].deliveryCount, 2);
});

Deno.test("a subscription is counted when a client becomes a member, not for each call", async () => {
  const world = new World();
  let count = 0;
  const meter = () => void count++;
  for (let i = 0; i < 3; i++) await world.pull({ meter });
  assert.equal(count, 1);
});

Deno.test("ten thousand clients may pull at a time: one more is refused, and not counted, until one has left", async () => {
  const world = new World();
  for (let i = 0; i < 10_000; i++) await world.pull({ clientId: `c${i}` });
  const isFull = (error: unknown) => error instanceof Refusal && error.refusal === "quota-exceeded";
  const meter = () => assert.fail("a subscription is counted");
  await assert.rejects(world.pull({ clientId: "one more", meter }), isFull);
  assert.deepEqual(await world.pull({ clientId: "c7" }), [], "who is there may go on");
  await world.pull({ clientId: "c7" }, AbortSignal.abort()); // goes, since nobody waits for the answer
  await world.pull({ clientId: "one more" });
  assert.equal(world.members, 10_000);
});

Deno.test("call after call of one stream leaves nothing with the signal that ends it", async () => {
  const world = new World();
  const { signal } = new AbortController();
  let listeners = 0;
  const add = signal.addEventListener.bind(signal);
  const remove = signal.removeEventListener.bind(signal);
  signal.addEventListener = (...args: Parameters<typeof add>) => (listeners++, add(...args));
  signal.removeEventListener = (...args: Parameters<typeof remove>) => (listeners--, remove(...args));
  await world.pull({}, signal, { waitMs: 1 });
  await world.pull({}, signal, { waitMs: 1 });
  assert.equal(listeners, 0);
});

// Random histories of queues against the model of what they promise.
import fc from "fast-check";
import type { QueueDefinition } from "../../../src/core/queue/definition.ts";
import { deadLetterDefinition } from "../../../src/core/queue/dead_letters.ts";
import type { GroupStart } from "../../../src/core/queue/group_start.ts";
import { definitionOf } from "./broker_of_queues.ts";
import type { ModelQueue } from "./model.ts";
import { World } from "./world.ts";

const WEIGHTS = {
  "publish": 12,
  "ack": 12,
  "nack": 4,
  "reject": 1,
  "late": 1,
  "extend": 1,
  "commit": 1,
  "join": 4,
  "leave": 2,
  "crash of a consumer": 1,
  "room": 2,
  "time": 6,
  "restart": 1,
  "seek": 1,
  "answer": 8,
  "take out": 1,
  "purge": 0.2,
  "end of a group": 0.3,
  "growth": 0.3,
} as const;

type What = keyof typeof WEIGHTS;

interface Step {
  readonly what: What;
  /** What is picked, where something is to be picked. */
  readonly a: number;
  readonly b: number;
  readonly c: number;
}

const anyStep: fc.Arbitrary<Step> = fc.record({
  what: fc.oneof(...(Object.keys(WEIGHTS) as What[]).map((what) => {
    return { weight: Math.max(1, Math.round(WEIGHTS[what] * 5)), arbitrary: fc.constant(what) };
  })),
  a: fc.nat(1_000),
  b: fc.nat(1_000),
  c: fc.nat(1_000),
});

/** What kind of a queue, and what is done with it. */
const anyWorld = fc.record({
  type: fc.constantFrom("classic", "classic", "stream"),
  ordering: fc.constantFrom("none", "partition", "partition", "strict"),
  partitions: fc.integer({ min: 1, max: 4 }),
  deliveryLimit: fc.constantFrom(2, 3, Infinity),
  hasDeadLetters: fc.constantFrom(true, true, false),
  depth: fc.constantFrom(10, Infinity, Infinity),
  letters: fc.constantFrom(2, Infinity, undefined),
  ttlMs: fc.constantFrom(Infinity, Infinity, 60_000),
  ageMs: fc.constantFrom(Infinity, Infinity, 120_000),
  groupExpiryMs: fc.constantFrom(Infinity, Infinity, 60_000),
  keeps: fc.constantFrom(Infinity, Infinity, 3),
  isCompacted: fc.constantFrom(false, true),
  hasFilters: fc.boolean(),
  hasPriorities: fc.boolean(),
  isSlow: fc.boolean(),
});

type Kind = typeof anyWorld extends fc.Arbitrary<infer T> ? T : never;

function definitionFor(kind: Kind): QueueDefinition {
  const { type, ordering, deliveryLimit, hasDeadLetters, ageMs, keeps } = kind;
  const plain = definitionOf({ name: "q" });
  const isCompacted = type === "stream" && kind.isCompacted;
  const isCounted = !kind.hasFilters && !isCompacted && !(kind.hasPriorities && kind.isSlow); // else it depends on what was read
  return {
    ...plain,
    type: type as QueueDefinition["type"],
    ordering: ordering as QueueDefinition["ordering"],
    partitions: ordering === "strict" ? 1 : kind.partitions,
    deliveryLimit,
    hasDeadLetters,
    retention: { ...plain.retention, ageMs, messages: keeps, isCompacted, compactionLagMs: 2_000 },
    limits: { ...plain.limits, messages: isCounted ? kind.depth : Infinity, ttlMs: kind.ttlMs },
    deduplicationMs: 5_000,
    prefetch: 3,
    groupExpiryMs: kind.groupExpiryMs,
  };
}

/** Where a group begins; at a time only where it need not be known at once how much that is. */
function startOf(choice: number, { now, isCounted }: { now: number; isCounted: boolean }): GroupStart {
  const starts: GroupStart[] = [{ kind: "default" }, { kind: "first" }, { kind: "last" }, {
    kind: "offset",
    offset: 3,
  }];
  if (!isCounted) starts.push({ kind: "time", time: now - 5_000 }, { kind: "time", time: now + 1 });
  return starts[choice % starts.length];
}

class Player {
  readonly #world: World;
  readonly #kind: Kind;

  constructor(kind: Kind) {
    this.#kind = kind;
    const definition = definitionFor(kind);
    const letters = deadLetterDefinition(definition);
    const limits = { ...letters.limits, messages: kind.letters ?? Infinity };
    const hasLetters = kind.hasDeadLetters && kind.letters !== undefined && !kind.hasPriorities && !kind.hasFilters;
    this.#world = new World(definition, hasLetters ? { ...letters, limits } : undefined);
    this.#world.broker.isSlow = kind.isSlow;
  }

  run(step: Step): void {
    const { what, a, b, c } = step;
    const world = this.#world;
    const queues = [...world.queues.values()];
    const queue = b % 5 === 0 ? queues[queues.length - 1] : queues[0]; // now and then the dead letters
    const consumer = world.consumers[a % world.consumers.length];
    const held = world.consumers.flatMap(({ deliveries }) => deliveries);
    const delivery = held[a % held.length];
    const groups = [...queue.groups.values()];
    if (what === "publish") this.#publish(queues[0], step);
    else if (what === "time") world.advance([1, 500, 1_000, 3_000, 10_000, 70_000][a % 6]);
    else if (what === "join" && world.consumers.length < 8) this.#join(queue, step);
    else if (what === "restart") this.#restart(queues[0], step);
    else if (what === "purge" && b % 4 === 0) world.purge(queue);
    else if (what === "answer") world.answer();
    else if (what === "take out") this.#takeOut(b % 3 === 0 ? queues[0] : queues[queues.length - 1], step);
    else if (what === "seek" && groups.length > 0) world.seek(queue, groups[a % groups.length], this.#start(c));
    else if (what === "growth" && this.#mayGrow(queues[0])) world.grow(queues[0]);
    else if (what === "end of a group" && groups.length > 0) world.deleteGroup(queue, groups[a % groups.length]);
    else if (what === "late") {
      const late = world.consumers.flatMap(({ past }) => past).filter(({ isHeld }) => !isHeld);
      if (late.length > 0) world.settleLate(late[a % late.length]);
    } else if (consumer === undefined) return;
    else if (what === "room") world.setRoom(consumer, b % 2 === 0);
    else if (what === "leave" || what === "crash of a consumer") world.leave(consumer, what !== "leave");
    else if (delivery === undefined) return;
    else if (what === "extend") world.extend(delivery, [1, 2_000, 30_000][b % 3]);
    else if (what === "commit") {
      const { consumer } = delivery.member;
      const owner = world.consumers.find((each) => each === consumer)!;
      world.commit(owner, { partition: delivery.partition, offset: delivery.record.offset });
    } else if (what === "ack" || what === "nack" || what === "reject") {
      world.settle(delivery, what, b % 3 === 0 ? [0, 700][c % 2] : undefined);
    }
    world.compare();
  }

  #publish(queue: ModelQueue, { a, b, c }: Step): void {
    const { now } = this.#world;
    const { hasPriorities, type } = this.#kind;
    const { isCompacted } = queue.definition.retention;
    const isTombstone = isCompacted && c % 5 === 0;
    this.#world.publish(queue, {
      key: ["", "k", "l", "m"][a % 4],
      routingKey: ["", "a", "a/b"][b % 3],
      messageKey: c % 8 === 0 || (isCompacted && c % 4 !== 3) ? `key ${b % 2}` : "",
      ...(isTombstone ? { payload: new Uint8Array() } : {}),
      delayMs: c % 9 === 1 && !isTombstone ? 2_000 : 0,
      priority: hasPriorities && type === "classic" ? [0, 0, 4, 9][c % 4] : 0,
      expiresAt: c % 7 === 2 ? now + [1_000, 15_000][a % 2] : Infinity,
    });
  }

  #join(queue: ModelQueue, { a, b, c }: Step): void {
    const group = ["g", "g", "h", "own"][a % 4];
    const filter = this.#kind.hasFilters ? ["#", "a/#", "+"][b % 3] : "#";
    this.#world.join(queue, { group, filter, prefetch: [0, 1, 2][c % 3], start: this.#start(b + c) });
  }

  #start(choice: number): GroupStart {
    return startOf(choice, { now: this.#world.now, isCounted: this.#kind.depth < Infinity });
  }

  #mayGrow({ definition: { ordering, partitions } }: ModelQueue): boolean {
    return ordering !== "strict" && partitions < 5;
  }

  #takeOut(queue: ModelQueue, { a, c }: Step): void {
    const { present } = queue;
    const message = present[a % present.length];
    if (message === undefined || message.isCompacted || this.#kind.depth < Infinity) return; // what comes back for one group is no exact count
    this.#world.takeOut(queue, message, c % 2 === 0);
  }

  /** Sometimes with something on its way that nobody will hear of. */
  #restart(queue: ModelQueue, { a, b }: Step): void {
    const world = this.#world;
    world.restart(() => {
      const held = world.consumers.flatMap(({ deliveries }) => deliveries);
      const delivery = held[b % held.length];
      const { turn, queues } = world.broker;
      if (a % 3 === 1 && delivery !== undefined) queues.settle(delivery, { kind: "ack" }, turn);
      if (a % 3 === 2 && delivery !== undefined) queues.settle(delivery, { kind: "reject", reason: "" }, turn);
      void queue;
    });
  }

  /** Everything that is owed comes when everybody works. */
  finish(): void {
    const world = this.#world;
    world.hurry();
    for (const consumer of [...world.consumers]) world.setRoom(consumer, true);
    for (const queue of world.queues.values()) {
      for (const { name: group } of [...queue.groups.values()]) {
        world.join(queue, { group, filter: "#", prefetch: 2, start: { kind: "default" } });
      }
    }
    for (let rounds = 0; rounds < 3_000; rounds++) {
      for (const delivery of world.consumers.flatMap(({ deliveries }) => deliveries)) {
        world.settle(delivery, "ack", undefined);
        world.compare();
      }
      world.advance(1_000);
      const isDone = [...world.queues.values()].every((queue) => {
        return [...queue.groups.values()].every((group) => queue.unsettled(group).length === 0);
      });
      if (isDone) return;
    }
    throw new Error("something that is owed has not come");
  }
}

/** Plays what is random to its end; fast-check prints the seed of what fails, and the shortest history that does. */
function play(length: { minLength?: number; maxLength: number }, numRuns: number): void {
  const isLong = length.minLength !== undefined; // to shorten a long history would take for ever
  fc.assert(
    fc.property(anyWorld, fc.array(anyStep, { ...length, size: "max" }), (kind, steps) => {
      const player = new Player(kind);
      for (const step of steps) player.run(step);
      player.finish();
    }),
    { numRuns, endOnFailure: isLong },
  );
}

Deno.test("retention by number does not go by an estimate that the store has yet to put right", () => {
  const kind = {
    type: "classic",
    ordering: "none",
    partitions: 1,
    deliveryLimit: 2,
    hasDeadLetters: true,
    depth: 10,
    letters: 2,
    ttlMs: Infinity,
    ageMs: Infinity,
    groupExpiryMs: Infinity,
    keeps: 3,
    isCompacted: false,
    hasFilters: false,
    hasPriorities: true,
    isSlow: true,
  } as const;
  const publish = (c: number) => ({ what: "publish", a: 0, b: 0, c } as const);
  const next = (what: "join" | "answer" | "ack" | "end of a group") => ({ what, a: 0, b: 0, c: 0 } as const);
  const player = new Player(kind); // two of priority 4 with others between, of which the group has settled the first when it ends
  for (const step of [publish(2), publish(323), next("join"), publish(11), publish(188), publish(938)]) {
    player.run(step);
  }
  for (const step of [next("answer"), next("answer"), next("ack"), next("ack"), next("end of a group")]) {
    player.run(step);
  }
  player.run(publish(0)); // the first of its priority in a new segment: retention looks
  player.finish();
});

Deno.test("queues keep what they promise: nothing lost, nothing twice, keys in order with one holder, positions exact, through failures and restarts", () => {
  play({ maxLength: 200 }, 500);
});

Deno.test("queues keep what they promise through thousands of steps", () => {
  play({ minLength: 2_000, maxLength: 3_000 }, 5);
});

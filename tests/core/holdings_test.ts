import assert from "node:assert/strict";
import fc from "fast-check";
import { Broker } from "../../src/core/broker.ts";
import type { Limits } from "../../src/core/limits.ts";
import type { Session } from "../../src/core/session.ts";
import { attachRequestOf, limitsOf, StubPeer, subscribe, turnOf } from "./building.ts";

const CLIENTS = ["a", "b", "c", "d"];
const USERS = ["ann", "bob", undefined];
const ADDRESSES = ["1", "2", undefined];
const FILTERS = ["x", "x/+", "$share/g/x", "y/#"];

type Step =
  | {
    do: "attach";
    client: string;
    user: string | undefined;
    address: string | undefined;
    clean: boolean;
    expiry: number;
  }
  | { do: "detach" | "end"; client: string }
  | { do: "subscribe" | "unsubscribe"; client: string; filter: string };

const client = fc.constantFrom(...CLIENTS);
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    do: fc.constant("attach" as const),
    client,
    user: fc.constantFrom(...USERS),
    address: fc.constantFrom(...ADDRESSES),
    clean: fc.boolean(),
    expiry: fc.constantFrom(0, 60),
  }),
  fc.record({ do: fc.constantFrom("detach" as const, "end" as const), client }),
  fc.record({
    do: fc.constantFrom("subscribe" as const, "unsubscribe" as const),
    client,
    filter: fc.constantFrom(...FILTERS),
  }),
);

class World {
  readonly turn = turnOf(limitsOf({ takeover: "anyone" }));
  readonly broker = new Broker(this.turn.limits);

  take(step: Step): void {
    const { broker, turn } = this;
    turn.now += 10_000;
    broker.tick(turn);
    const session = broker.sessions.get(step.client);
    if (step.do === "attach") {
      const { client, user: username, address, clean, expiry: expirySeconds } = step;
      const peer = new StubPeer(client);
      broker.attach(attachRequestOf(client, { username, address, clean, expirySeconds, peer }), turn);
    } else if (session === undefined) return;
    else if (step.do === "end") broker.endSession(session, turn);
    else if (session.peer === null) return;
    else if (step.do === "detach") broker.detach(session, { peer: session.peer, cause: "connection-lost" }, turn);
    else if (step.do === "subscribe") subscribe(this, session, step.filter);
    else if (step.do === "unsubscribe") broker.unsubscribe(session, { packetId: 1, filters: [step.filter] }, turn);
  }

  check(): void {
    const sessions = [...this.broker.sessions.values()];
    const filtersOf = (of: (session: Session) => boolean) => {
      return sessions.filter(of).reduce((sum, { filterCount }) => sum + filterCount, 0);
    };
    for (const username of USERS.filter((user) => user !== undefined)) {
      const isOwn = (session: Session) => session.username === username;
      this.#assertCount(sessions.filter(isOwn).length, (sessionsPerUserMax) => {
        return this.turn.holdings.hasRoomForSession(username, { ...this.turn.limits, sessionsPerUserMax });
      });
      const owner = { username, address: undefined };
      this.#assertCount(
        filtersOf(isOwn),
        (subscriptionsPerUserMax) => this.#mayHave(owner, { subscriptionsPerUserMax }),
      );
    }
    for (const address of ADDRESSES.filter((address) => address !== undefined)) {
      const owner = { username: undefined, address };
      const count = filtersOf((session) => session.address === address && session.peer !== null);
      this.#assertCount(
        count,
        (subscriptionsPerAddressMax) => this.#mayHave(owner, { subscriptionsPerAddressMax }),
      );
    }
  }

  #mayHave(owner: { username: string | undefined; address: string | undefined }, limits: Partial<Limits>): boolean {
    const one = { before: undefined, filters: 1 };
    return this.turn.holdings.hasRoomFor(owner, one, { ...this.turn.limits, ...limits });
  }

  /** There is room for one more where so many and one may be, and none where so many may. */
  #assertCount(count: number, hasRoom: (max: number) => boolean): void {
    assert.deepEqual([hasRoom(count), hasRoom(count + 1)], [false, true], `${count} are there`);
  }
}

Deno.test("what is counted of users and addresses is what there is, whatever happens, and nothing when all is over", () => {
  fc.assert(fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
    const world = new World();
    for (const each of steps) {
      world.take(each);
      world.check();
    }
    for (const client of CLIENTS) world.take({ do: "end", client });
    assert.equal(world.turn.holdings.size, 0);
  }));
});

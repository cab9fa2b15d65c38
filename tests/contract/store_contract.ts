// What every store must do, as a suite that each implementation is fed through. Only the port is used.
import assert from "node:assert/strict";
import type { Mutation, StoredState } from "../../src/core/mutation.ts";
import type { Store } from "../../src/core/ports.ts";
import {
  body,
  contents,
  contentsOf,
  delivery,
  done,
  line,
  retained,
  session,
  subscription,
  will,
} from "./mutations.ts";
import { pageContract } from "./page_contract.ts";
import { randomContract } from "./random_contract.ts";

/** A store under test. `reopen` closes it as a stop of the broker does and opens what it left. */
export interface StoreHandle {
  readonly store: Store;
  reopen(): Promise<StoreHandle>;
}

export type OpenStore = () => StoreHandle | Promise<StoreHandle>;

/** A store that is opened anew for every look at what it holds, since that is when a broker looks. */
export class StoreBench {
  #handle: StoreHandle;

  constructor(handle: StoreHandle) {
    this.#handle = handle;
  }

  get store(): Store {
    return this.#handle.store;
  }

  async commit(mutations: readonly Mutation[]): Promise<void> {
    await this.store.commit(mutations);
  }

  async load(): Promise<StoredState> {
    this.#handle = await this.#handle.reopen();
    return await this.store.load();
  }
}

export type Contract = (sentence: string, test: (bench: StoreBench) => Promise<void>) => void;

/** Declares the suite for one implementation; `open` answers an empty store each time. Fewer random `runs` are enough for one that only
 * hands on what another one does, and takes its time to open. */
export function storeContract(name: string, open: OpenStore, runs = 150): void {
  const contract: Contract = (sentence, test) => {
    Deno.test(`${name}: ${sentence}`, async () => {
      const bench = new StoreBench(await open());
      try {
        await test(bench);
      } finally {
        await bench.store.close();
      }
    });
  };
  sessionContract(contract);
  deliveryContract(contract);
  bodyContract(contract);
  restContract(contract);
  pageContract(contract);
  randomContract(name, open, runs);
}

/** Commits each list on its own, and answers what a start would get. */
async function after(bench: StoreBench, ...commits: readonly (readonly Mutation[])[]): Promise<StoredState> {
  for (const mutations of commits) await bench.commit(mutations);
  return await bench.load();
}

function sessionContract(contract: Contract): void {
  contract("an empty store loads nothing", async (bench) => {
    assert.deepEqual(contentsOf(await bench.load()), contents({}));
  });

  contract("a commit of nothing is one", async (bench) => {
    await bench.commit([]);
    assert.deepEqual(contentsOf(await bench.load()), contents({}));
  });

  contract("sessions come back with all they are made of, the last word counting", async (bench) => {
    const alice = session("alice", { username: "al", expirySeconds: 0xffff_ffff, offlineSince: 0 });
    const bob = session("bob", { username: undefined, expirySeconds: 1, offlineSince: 1_700_000_000_123 });
    const loaded = await after(bench, [session("alice", { expirySeconds: 5 }), bob], [alice]);
    assert.deepEqual(contentsOf(loaded), contents({ sessions: [alice, bob] }));
  });

  contract("a session that is saved again keeps what hangs on it", async (bench) => {
    const hanging = [
      subscription("alice", "a"),
      body(1),
      delivery("alice", 1, 1),
      { kind: "packet-id-received", clientId: "alice", packetId: 7 } as const,
      will("alice"),
    ];
    const loaded = await after(bench, [session("alice"), ...hanging], [session("alice", { offlineSince: 9 })]);
    assert.deepEqual(
      contentsOf(loaded),
      contents({
        sessions: [session("alice", { offlineSince: 9 })],
        subscriptions: [subscription("alice", "a")],
        bodies: [body(1)],
        deliveries: [delivery("alice", 1, 1)],
        received: ["alice 7"],
        wills: [will("alice")],
      }),
    );
  });

  contract(
    "subscriptions keep their options, are replaced by their filter, and go when unsubscribed",
    async (bench) => {
      const shared = subscription("alice", "$share/g/a/#", {
        qos: 2,
        noLocal: true,
        retainAsPublished: true,
        retainHandling: 2,
        subscriptionId: 268_435_455,
      });
      const loaded = await after(
        bench,
        [session("alice"), session("bob"), shared, subscription("alice", "a"), subscription("bob", "a")],
        [subscription("bob", "replaying", { isReplaying: true }), subscription("bob", "a", { isReplaying: true })],
        [subscription("bob", "a")],
        [subscription("alice", "a", { qos: 1 }), subscription("alice", "b")],
        [{ kind: "unsubscribed", clientId: "alice", filter: "b" }, {
          kind: "unsubscribed",
          clientId: "bob",
          filter: "never",
        }],
      );
      assert.deepEqual(
        contentsOf(loaded),
        contents({
          sessions: [session("alice"), session("bob")],
          subscriptions: [
            shared,
            subscription("alice", "a", { qos: 1 }),
            subscription("bob", "replaying", { isReplaying: true }),
            subscription("bob", "a"),
          ],
        }),
      );
    },
  );

  contract("the end of a session takes everything of it and nothing of another", async (bench) => {
    const bob = [session("bob"), subscription("bob", "a"), delivery("bob", 2, 2), will("bob")];
    const loaded = await after(
      bench,
      [session("alice"), subscription("alice", "a"), body(1), delivery("alice", 1, 1), will("alice")],
      [{ kind: "packet-id-received", clientId: "alice", packetId: 1 }, bob[0], bob[1], body(2), bob[2], bob[3]],
      [{ kind: "session-ended", clientId: "alice" }, { kind: "session-ended", clientId: "nobody" }],
    );
    const left = {
      sessions: [bob[0]],
      subscriptions: [bob[1]],
      deliveries: [bob[2]],
      wills: [bob[3]],
      bodies: [body(2)],
    };
    assert.deepEqual(contentsOf(loaded), contents(left));
  });

  contract("a session that ends and begins anew in one commit begins with nothing", async (bench) => {
    const loaded = await after(
      bench,
      [session("alice"), subscription("alice", "a"), body(1), delivery("alice", 1, 1)],
      [{ kind: "session-ended", clientId: "alice" }, session("alice", { expirySeconds: 3 })],
    );
    assert.deepEqual(contentsOf(loaded), contents({ sessions: [session("alice", { expirySeconds: 3 })] }));
  });

  contract("changes to a session that is not there change nothing", async (bench) => {
    const loaded = await after(bench, [
      subscription("nobody", "a"),
      { kind: "unsubscribed", clientId: "nobody", filter: "a" },
      body(1),
      delivery("nobody", 1, 1),
      { kind: "delivery-sent", clientId: "nobody", sequence: 1, packetId: 1 },
      { kind: "delivery-released", clientId: "nobody", sequence: 1 },
      done("nobody", 1),
      { kind: "packet-id-received", clientId: "nobody", packetId: 1 },
      { kind: "packet-id-released", clientId: "nobody", packetId: 1 },
    ]);
    assert.deepEqual(contentsOf(loaded), contents({}));
  });
}

function deliveryContract(contract: Contract): void {
  contract("deliveries keep all they are made of", async (bench) => {
    const rich = delivery("alice", 5, 1, {
      qos: 2,
      retain: true,
      subscriptionIds: [1, 268_435_455, 1],
      shared: "$share/g/a",
      packetId: 65_535,
      released: true,
    });
    const loaded = await after(bench, [session("alice"), body(1), rich, delivery("alice", 6, 1, { qos: 0 })]);
    assert.deepEqual(loaded.deliveries.map(line), [rich, delivery("alice", 6, 1, { qos: 0 })].map(line));
  });

  contract("deliveries of a session come by sequence, numbers and not texts", async (bench) => {
    const sequences = Array.from({ length: 12 }, (_, i) => i + 1);
    const writes = sequences.flatMap((sequence) => [
      delivery(sequence % 2 ? "alice" : "bob", sequence, 1),
    ]);
    const loaded = await after(
      bench,
      [session("bob"), session("alice"), body(1), ...writes.slice(0, 5)],
      writes.slice(5),
    );
    for (const clientId of ["alice", "bob"]) {
      const own = loaded.deliveries.filter((each) => each.clientId === clientId).map(({ sequence }) => sequence);
      assert.deepEqual(own, sequences.filter((sequence) => (sequence % 2 === 1) === (clientId === "alice")));
    }
  });

  contract(
    "deliveries that are sent and done one after the other leave those between and behind them alone",
    async (bench) => {
      const sent = (sequence: number, packetId: number) => {
        return { kind: "delivery-sent", clientId: "alice", sequence, packetId } as const;
      };
      await bench.commit([
        ...[session("alice"), session("bob"), body(1), body(2)],
        ...[1, 2, 3, 5, 6, 7].map((sequence) => delivery("alice", sequence, sequence % 2 + 1)),
        delivery("bob", 4, 1),
      ]);
      await bench.commit([sent(1, 65_534), sent(2, 65_535), sent(3, 1), sent(5, 2), sent(6, 3)]);
      const loaded = await after(bench, [done("alice", 1), done("alice", 2), sent(7, 4), done("alice", 3)]);
      const rows = loaded.deliveries.map(({ clientId, sequence, packetId }) => [clientId, sequence, packetId]);
      assert.deepEqual(rows.sort(), [["alice", 5, 2], ["alice", 6, 3], ["alice", 7, 4], ["bob", 4, 0]]);
      assert.deepEqual(loaded.bodies.map(({ bodyId }) => bodyId).sort(), [1, 2]);
    },
  );

  contract(
    "a delivery is sent, released and done; one that is done is gone whatever is said of it later",
    async (bench) => {
      const at = (sequence: number) => ({ clientId: "alice", sequence });
      const loaded = await after(
        bench,
        [session("alice"), body(1), ...[1, 2, 3].map((sequence) => delivery("alice", sequence, 1, { qos: 2 }))],
        [
          { kind: "delivery-sent", ...at(1), packetId: 11 },
          { kind: "delivery-sent", ...at(2), packetId: 12 },
          { kind: "delivery-released", ...at(1) },
        ],
        [done("alice", 2), { kind: "delivery-released", ...at(2) }, done("alice", 2)],
      );
      assert.deepEqual(
        loaded.deliveries.map(({ sequence, packetId, released }) => [sequence, packetId, released]),
        [[1, 11, true], [3, 0, false]],
      );
    },
  );

  contract("packet ids that were received wait for their release, once each", async (bench) => {
    const received = (packetId: number) => ({ kind: "packet-id-received", clientId: "alice", packetId }) as const;
    const loaded = await after(
      bench,
      [session("alice"), received(1), received(65_535), received(2), received(2)],
      [
        { kind: "packet-id-released", clientId: "alice", packetId: 1 },
        { kind: "packet-id-released", clientId: "alice", packetId: 9 },
      ],
    );
    const ids = loaded.receivedPacketIds.map(({ packetId }) => packetId).sort((a, b) => a - b);
    assert.deepEqual(ids, [2, 65_535]);
  });
}

function bodyContract(contract: Contract): void {
  contract("a body is there once, however many refer to it, and goes with the last", async (bench) => {
    await bench.commit([session("alice"), session("bob"), body(1), retained("t/1", 1)]);
    await bench.commit([delivery("alice", 1, 1), delivery("bob", 2, 1), delivery("alice", 3, 1)]);
    const steps: (readonly Mutation[])[] = [
      [done("alice", 1)],
      [{ kind: "session-ended", clientId: "bob" }],
      [{ kind: "retained-cleared", topic: "t/1" }],
    ];
    for (const step of steps) assert.equal((await after(bench, step)).bodies.length, 1);
    assert.deepEqual(contentsOf(await after(bench, [done("alice", 3)])), contents({ sessions: [session("alice")] }));
  });

  contract("a body that nothing refers to at the end of its commit is not kept", async (bench) => {
    const loaded = await after(bench, [body(1), session("alice"), body(2), delivery("alice", 1, 2)]);
    assert.deepEqual(contentsOf(loaded).bodies, [body(2)].map(line));
  });

  contract("a body that loses its last reference and gets another in the same commit is kept", async (bench) => {
    const first = [session("alice"), body(1), delivery("alice", 1, 1), done("alice", 1), delivery("alice", 2, 1)];
    const again = [done("alice", 2), delivery("alice", 3, 1)];
    for (const mutations of [first, again]) {
      assert.deepEqual(contentsOf(await after(bench, mutations)).bodies, [body(1)].map(line));
    }
  });

  contract("bodies keep every byte, and a moment of expiry or none", async (bench) => {
    const bytes = Uint8Array.from({ length: 256 }, (_, index) => index);
    const bodies = [
      body(1, { payload: bytes, properties: bytes.toReversed(), qos: 2, retain: true, expiresAt: 1_700_000_000_123 }),
      body(2, {
        payload: new Uint8Array(),
        properties: new Uint8Array(),
        topic: "é/☕/\u{1f600}",
        expiresAt: Infinity,
      }),
      body(3, { payload: new Uint8Array(300_000).fill(7), topic: "$SYS/x" }),
    ];
    const loaded = await after(bench, [
      session("alice"),
      ...bodies,
      ...bodies.map(({ bodyId }) => delivery("alice", bodyId, bodyId)),
    ]);
    assert.deepEqual(contentsOf(loaded).bodies, bodies.map(line));
  });

  contract("a body that is a view on a larger array is stored as what it shows", async (bench) => {
    const payload = Uint8Array.of(1, 2, 3);
    const whole = Uint8Array.of(9, 9, 1, 2, 3, 9);
    const view = body(1, { payload: whole.subarray(2, 5), properties: whole.subarray(0, 0) });
    const loaded = await after(bench, [session("alice"), view, delivery("alice", 1, 1)]);
    assert.deepEqual(loaded.bodies.map((each) => [...each.payload]), [[...payload]]);
  });

  contract("a retained message replaces the topic's former one, whose body goes", async (bench) => {
    const loaded = await after(
      bench,
      [body(1), retained("a", 1), body(2), retained("b", 2)],
      [body(3), retained("a", 3)],
      [{ kind: "retained-cleared", topic: "never" }],
    );
    assert.deepEqual(contentsOf(loaded), contents({ retained: ["a 3", "b 2"], bodies: [body(2), body(3)] }));
    const same = await after(bench, [retained("a", 3)]);
    assert.deepEqual(contentsOf(same), contentsOf(loaded), "set again, it has not lost its body");
  });
}

function restContract(contract: Contract): void {
  contract("wills come back with all they are made of, with a session or without", async (bench) => {
    const rich = will("nobody", {
      topic: "é",
      qos: 2,
      retain: true,
      properties: Uint8Array.of(1, 1),
      payload: Uint8Array.of(0, 255),
      delaySeconds: 0xffff_ffff,
      expirySeconds: 0,
      author: { username: "é", groups: ["a", "b"], remoteAddress: "::1", listener: "tcp" },
    });
    const loaded = await after(bench, [will("nobody"), will("gone")], [rich, {
      kind: "will-cleared",
      clientId: "gone",
    }, { kind: "will-cleared", clientId: "never" }]);
    assert.deepEqual(contentsOf(loaded), contents({ wills: [rich] }));
  });

  contract("a commit is all or nothing: one that cannot be applied leaves no trace", async (bench) => {
    await bench.commit([session("alice"), body(1), delivery("alice", 1, 1)]);
    const before = contentsOf(await bench.load());
    const impossible = delivery("alice", 2, 999); // there is no such body
    const attempt = async () => {
      await bench.commit([
        session("bob"),
        subscription("alice", "a"),
        done("alice", 1),
        will("alice"),
        impossible,
      ]);
    };
    await assert.rejects(attempt());
    assert.deepEqual(contentsOf(await bench.load()), before);
  });

  contract("commits apply in the order in which they were made, awaited or not", async (bench) => {
    const commits = Array.from({ length: 50 }, (_, i) => bench.store.commit([session("alice", { offlineSince: i })]));
    await Promise.all(commits);
    assert.deepEqual((await bench.load()).sessions.map(({ offlineSince }) => offlineSince), [49]);
  });

  contract("what was committed is there after it was closed and opened", async (bench) => {
    const writes = [
      session("alice", { username: "al" }),
      subscription("alice", "a", { qos: 1, subscriptionId: 3 }),
      body(1, { retain: true, expiresAt: 5_000 }),
      delivery("alice", 4, 1, { packetId: 3, subscriptionIds: [3] }),
      { kind: "packet-id-received", clientId: "alice", packetId: 7 },
      retained("t/1", 1),
      will("alice"),
    ] as const;
    const before = contentsOf(await after(bench, writes));
    assert.deepEqual(before.deliveries, [writes[3]].map(line));
    assert.deepEqual(contentsOf(await bench.load()), before);
  });
}

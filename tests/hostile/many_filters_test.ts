import assert from "node:assert/strict";
import { ALLOW_ALL } from "../../src/auth/authenticator.ts";
import { TestBroker } from "../support/broker.ts";
import { bodyOf, connect, packet, properties, uint16 } from "./bytes.ts";
import { RawPeer } from "./raw_peer.ts";

const COUNT = 2_000;
/** Filters of this length after which others get their turn. */
const PART_MAX = 400;

const FILTERS = Array.from({ length: COUNT }, (_, i) => `site/+/${i}`);
const SUBSCRIBE = packet(0x82, uint16(7), properties(), ...FILTERS.flatMap((filter) => [filter, 1]));
const UNSUBSCRIBE = packet(0xa2, uint16(8), properties(), ...FILTERS);
const PINGREQ = packet(0xc0);

/** How many subscriptions came or went in each part, for who listens. */
function watchParts({ broker }: TestBroker, onPart: () => void = () => {}): number[] {
  const parts: number[] = [];
  let count = 0;
  broker.watch(({ kind }) => {
    if (kind !== "subscribed" && kind !== "unsubscribed") return;
    if (count++ > 0) return;
    queueMicrotask(() => {
      parts.push(count);
      count = 0;
      onPart();
    });
  });
  return parts;
}

Deno.test("[MQTT-3.8.4-5] many filters in one packet are gone through in parts and answered together, before what comes behind them", async () => {
  await using broker = await TestBroker.start();
  const parts = watchParts(broker);
  using peer = await RawPeer.connect(broker.port, connect());
  const answers: (Uint8Array | undefined)[] = [];
  for (const asked of [SUBSCRIBE, UNSUBSCRIBE]) {
    await peer.send(Uint8Array.from([...asked, ...PINGREQ]));
    answers.push(await peer.packet(), await peer.packet());
  }
  assert.deepEqual(answers.map((answer) => answer![0]), [0x90, 0xd0, 0xb0, 0xd0]);
  assert.deepEqual(bodyOf(answers[0]!), Uint8Array.from([0, 7, 0, ...FILTERS.map(() => 1)]));
  assert.deepEqual(bodyOf(answers[2]!), Uint8Array.from([0, 8, 0, ...FILTERS.map(() => 0)]));
  assert.equal(parts.reduce((sum, part) => sum + part, 0), 2 * COUNT);
  assert.ok(Math.max(...parts) <= PART_MAX, `${parts}`);
});

Deno.test("many filters in many packets are gone through in parts, too", async () => {
  await using broker = await TestBroker.start();
  const parts = watchParts(broker);
  using peer = await RawPeer.connect(broker.port, connect());
  await peer.send(Uint8Array.from(FILTERS.flatMap((filter) => [...packet(0x82, uint16(7), properties(), filter, 1)])));
  for (const _ of FILTERS) assert.equal((await peer.packet())![0], 0x90);
  assert.equal(parts.reduce((sum, part) => sum + part, 0), COUNT);
  assert.ok(Math.max(...parts) <= PART_MAX, `${parts}`);
});

Deno.test("whose connection is ended between the parts subscribes to no more", async () => {
  let isAdmitted = true;
  const authenticate = () => ({ username: undefined, policy: ALLOW_ALL, holds: () => isAdmitted });
  await using broker = await TestBroker.start({ authenticator: { authenticate } });
  const parts = watchParts(broker, () => {
    isAdmitted = false;
    broker.broker.endRevoked();
  });
  using peer = await RawPeer.connect(broker.port, connect());
  await peer.send(SUBSCRIBE);
  const answers = await peer.untilClosed();
  assert.deepEqual(answers.map(([first]) => first), [0xe0], "DISCONNECT and no answer");
  assert.equal(parts.length, 1, "no part but the first");
});

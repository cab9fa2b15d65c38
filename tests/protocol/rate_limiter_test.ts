/** Token buckets with the time in the hand: what they give, what they owe, and that there are never more than have to be. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { BucketTable, IDLE_MAX } from "../../src/protocol/bucket_table.ts";
import { RateLimiter, RateRefusal } from "../../src/protocol/rate_limiter.ts";
import { TokenBucket } from "../../src/protocol/token_bucket.ts";

const RATE = { perSecond: 10, burst: 5 };

Deno.test("a bucket gives its burst at once, then what comes back", () => {
  const bucket = new TokenBucket(RATE, 0);
  for (let i = 0; i < 5; i++) assert.equal(bucket.take(1, 0), true);
  assert.equal(bucket.take(1, 0), false);
  assert.equal(bucket.take(1, 99), false);
  assert.equal(bucket.take(1, 100), true);
  assert.equal(bucket.take(6, 600), true, "what is more than the burst passes when all is there");
  assert.equal(bucket.take(1, 700), false, "and is paid back");
  assert.equal(bucket.take(1, 800), true);
});

Deno.test("what is spent beyond it is owed, for as long as it takes to come back", () => {
  const bucket = new TokenBucket(RATE, 0);
  assert.equal(bucket.spend(5, 0), 0);
  assert.equal(bucket.spend(1, 0), 100);
  assert.equal(bucket.spend(1, 100), 100);
});

Deno.test("never more than the burst and the rate pass, in whatever pieces and however the clock jumps back", () => {
  const step = fc.record({ count: fc.integer({ min: 1, max: 5 }), after: fc.integer({ min: -50, max: 300 }) });
  fc.assert(fc.property(fc.array(step), (steps) => {
    const bucket = new TokenBucket(RATE, 0);
    let now = 0;
    let elapsed = 0;
    let passed = 0;
    for (const { count, after } of steps) {
      now += after;
      elapsed += Math.max(0, after);
      if (bucket.take(count, now)) passed += count;
      assert.ok(passed <= RATE.burst + RATE.perSecond * elapsed / 1000 + 1e-6);
    }
  }));
});

Deno.test("a million ids leave no more buckets than may be idle, and none when they have come back", () => {
  const table = new BucketTable({ perSecond: 1, burst: 2 });
  for (let i = 0; i < 1_000_000; i++) {
    table.hold(`client-${i}`, 0).take(1, 0);
    table.release(`client-${i}`, 0);
  }
  assert.equal(table.size, IDLE_MAX);
  table.sweep(1000);
  assert.equal(table.size, 0);
});

Deno.test("client ids of many kilobytes leave nothing behind", () => {
  const table = new BucketTable({ perSecond: 1, burst: 2 });
  for (const id of ["x".repeat(1025), "y".repeat(60_000)]) {
    table.hold(id, 0).take(2, 0);
    assert.equal(table.size, 1);
    table.release(id, 0);
    assert.equal(table.size, 0);
  }
});

Deno.test("a bucket that is full when it is released leaves nothing behind, one that is held stays", () => {
  const table = new BucketTable(RATE);
  table.hold("quiet", 0);
  table.hold("busy", 0).take(3, 0);
  const busy = table.hold("busy", 0);
  table.release("quiet", 0);
  table.release("busy", 0);
  table.sweep(1_000_000);
  assert.equal(table.size, 1);
  assert.equal(table.hold("busy", 1_000_000), busy, "two connections of one client have one bucket");
});

Deno.test("who comes back finds the bucket as it was left", () => {
  const limiter = new RateLimiter({ message: { client: RATE }, action: "refuse" });
  const client = { address: "192.0.2.1", client: "c", user: undefined };
  const first = limiter.meter(client, 0);
  for (let i = 0; i < 5; i++) first.assertMayPublish(1, 0);
  first.close(0);
  const again = limiter.meter(client, 0);
  assert.throws(() => again.assertMayPublish(1, 0), RateRefusal);
  again.close(0);
  assert.equal(limiter.size, 1);
});

Deno.test("another client id is the same address and the same user", () => {
  for (const scope of ["address", "user"] as const) {
    const limiter = new RateLimiter({ message: { [scope]: RATE }, action: "refuse" });
    let passed = 0;
    for (let i = 0; i < 20; i++) {
      const meter = limiter.meter({ address: "192.0.2.1", client: `c${i}`, user: "ann" }, 0);
      try {
        meter.assertMayPublish(1, 0);
        passed++;
      } catch (error) {
        assert.ok(error instanceof RateRefusal);
      }
      meter.close(0);
    }
    assert.equal(passed, 5, scope);
  }
});

Deno.test("what is refused by one limit takes nothing from the others", () => {
  const limiter = new RateLimiter({
    message: { client: RATE },
    bytes: { client: { perSecond: 1, burst: 10 } },
    action: "refuse",
  });
  const meter = limiter.meter({ address: undefined, client: "c", user: undefined }, 0);
  meter.assertMayPublish(10, 0);
  for (let i = 0; i < 9; i++) assert.throws(() => meter.assertMayPublish(10, 0), RateRefusal);
  limiter.configure({ message: { client: RATE }, action: "refuse" });
  for (let i = 0; i < 4; i++) meter.assertMayPublish(10, 0);
  assert.throws(() => meter.assertMayPublish(10, 0), RateRefusal);
});

Deno.test("a meter of a client that changes the limits' mind: off is off, and on is on", () => {
  const limiter = new RateLimiter({ message: { client: RATE }, action: "refuse" });
  const meter = limiter.meter({ address: "a", client: "c", user: "u" }, 0);
  limiter.configure({});
  for (let i = 0; i < 100; i++) meter.assertMayPublish(1, 0);
  assert.equal(limiter.isOn, false);
  limiter.configure({ message: { user: RATE }, action: "disconnect" });
  for (let i = 0; i < 5; i++) meter.assertMayPublish(1, 0);
  assert.throws(() => meter.assertMayPublish(1, 0), { refusal: "message-rate-too-high" });
});

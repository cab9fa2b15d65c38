import assert from "node:assert/strict";
import { ADDRESSES_MAX, FailedLogins } from "../../src/auth/failed_logins.ts";
import { processorMs } from "../support/processor_time.ts";

const OPTIONS = { banAfter: 3, banMs: 1_000, banMsMax: 5_000, memoryMs: 10_000 };

Deno.test("the third failure bans for a time, and each one after a ban for twice as long, up to a maximum", () => {
  const failed = new FailedLogins(OPTIONS);
  assert.deepEqual([failed.add("a", 0), failed.add("a", 1)], [undefined, undefined]);
  assert.ok(!failed.isBanned("a", 1));
  assert.deepEqual(failed.add("a", 2), { failures: 3, forMs: 1_000 });
  assert.deepEqual([failed.isBanned("a", 1_001), failed.isBanned("a", 1_002)], [true, false]);
  assert.ok(!failed.isBanned("b", 2), "others are not");
  assert.equal(failed.add("a", 500), undefined, "what was under way does not count");
  const bans = [2_000, 10_000, 20_000, 30_000].map((now) => failed.add("a", now)?.forMs);
  assert.deepEqual(bans, [2_000, 4_000, 5_000, 5_000]);
});

Deno.test("a failure is forgotten in time, counted from the end of a ban", () => {
  const failed = new FailedLogins(OPTIONS);
  failed.add("a", 0);
  failed.add("a", 9_000);
  assert.equal(failed.add("a", 18_000)?.forMs, 1_000);
  failed.sweep(28_999);
  assert.equal(failed.size, 1);
  failed.sweep(29_000);
  assert.equal(failed.size, 0);
  assert.equal(failed.add("a", 30_001), undefined, "as good as new");
});

Deno.test("a hundred thousand addresses do not make the table grow beyond its bound, nor slow", async () => {
  const failed = new FailedLogins(OPTIONS);
  const ms = await processorMs(() => {
    for (let n = 0; n < 100_000; n++) failed.add(`10.${n >> 16}.${(n >> 8) & 255}.${n & 255}`, n);
  });
  assert.equal(failed.size, ADDRESSES_MAX);
  assert.ok(ms < 5_000, `${ms} ms`);
  for (let n = 0; n < 3; n++) failed.add("10.1.134.159", 100_000);
  assert.ok(failed.isBanned("10.1.134.159", 100_001), "the newest are known");
  failed.sweep(1_000_000);
  assert.equal(failed.size, 0, "and all of it is freed");
});

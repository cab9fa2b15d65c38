import assert from "node:assert/strict";
import { addressRange } from "../../src/auth/access_rule.ts";
import { ADDRESSES_MAX, addressKey, FailedLogins, isInRange } from "../../src/auth/failed_logins.ts";

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

Deno.test("a hundred thousand addresses do not make the table grow beyond its bound, nor slow", () => {
  const failed = new FailedLogins(OPTIONS);
  const start = performance.now();
  for (let n = 0; n < 100_000; n++) failed.add(`10.${n >> 16}.${(n >> 8) & 255}.${n & 255}`, n);
  assert.equal(failed.size, ADDRESSES_MAX);
  assert.ok(performance.now() - start < 5_000);
  for (let n = 0; n < 3; n++) failed.add("10.1.134.159", 100_000);
  assert.ok(failed.isBanned("10.1.134.159", 100_001), "the newest are known");
  failed.sweep(1_000_000);
  assert.equal(failed.size, 0, "and all of it is freed");
});

Deno.test("what counts as one address: an IPv4 one however written, 64 bits of an IPv6 one", () => {
  const same = [
    ["192.0.2.7", "::ffff:192.0.2.7"],
    ["2001:db8:1:2::1", "2001:0db8:1:2:ffff:ffff:ffff:ffff"],
    ["2001:db8::1", "2001:db8:0:0:1::"],
    ["::1", "0:0:0:0:0:0:0:2"],
    ["fe80::1%eth0", "fe80::2"],
    ["2001:DB8::1", "2001:db8::2"],
  ];
  for (const [one, other] of same) assert.equal(addressKey(one), addressKey(other), `${one} and ${other}`);
  const differ = [["192.0.2.7", "192.0.2.8"], ["2001:db8:1:2::1", "2001:db8:1:3::1"], ["", "::1"]];
  for (const [one, other] of differ) assert.notEqual(addressKey(one), addressKey(other), `${one} and ${other}`);
});

Deno.test("ranges hold both kinds of addresses", () => {
  assert.ok(isInRange(addressRange("127.0.0.0/8"), "::ffff:127.9.9.9"));
  assert.ok(isInRange(addressRange("2001:db8::/32"), "2001:db8:ffff::1"));
  for (const address of ["128.0.0.1", "::1", "", "name"]) assert.ok(!isInRange(addressRange("127.0.0.0/8"), address));
});

import assert from "node:assert/strict";
import { AddressRanges, isAddressRange } from "../../src/address/address_ranges.ts";

Deno.test("ranges hold both kinds of addresses", () => {
  const loopback = new AddressRanges(["127.0.0.0/8"]);
  assert.ok(loopback.has("::ffff:127.9.9.9"));
  for (const address of ["128.0.0.1", "::1", "", "name"]) assert.ok(!loopback.has(address), address);
  const several = new AddressRanges(["192.0.2.7", "2001:db8::/32", "fd00::1"]);
  for (const address of ["192.0.2.7", "2001:db8:ffff::1", "fd00::1"]) assert.ok(several.has(address), address);
  for (const address of ["192.0.2.8", "2001:db9::", "fd00::2"]) assert.ok(!several.has(address), address);
  assert.ok(new AddressRanges(["fe80::/10"]).has("fe80::1%eth0"));
  assert.ok(!new AddressRanges([]).has("127.0.0.1"));
  assert.ok(new AddressRanges(["0.0.0.0/0"]).has("192.0.2.7"));
});

Deno.test("what is neither an address nor a range is refused", () => {
  for (const text of ["", "host", "10.0.0", "10.0.0.0/33", "::1/129", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/8/8"]) {
    assert.ok(!isAddressRange(text), text);
    assert.throws(() => new AddressRanges([text]), /^RangeError: Cannot use ".*" as addresses: expected one such as /);
  }
});

import assert from "node:assert/strict";
import { addressKey, plainAddress } from "../../src/address/ip_address.ts";

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

Deno.test("an IPv4 address that is written as an IPv6 one is told as what it is", () => {
  assert.equal(plainAddress("::ffff:192.0.2.7"), "192.0.2.7");
  for (const same of ["::FFFF:192.0.2.7", "::ffff:c000:207", "0:0:0:0:0:ffff:192.0.2.7", "0:0::ffff:c000:0207%eth0"]) {
    assert.equal(plainAddress(same), "192.0.2.7", same);
  }
  assert.equal(plainAddress("fe80::1%eth0"), "fe80::1", "whatever the interface");
  for (const address of ["192.0.2.7", "2001:db8::ffff:c000:207", "::ffff:0:c000:207", "::1", "", ":ffff:"]) {
    assert.equal(plainAddress(address), address);
  }
});

import assert from "node:assert/strict";
import { didYouMean, nearest } from "../../src/config/near.ts";

const KNOWN = ["tcp_addr", "tcp_nodelay", "max_qos", "listeners"];

for (
  const [typed, meant] of [["tcp_adr", "tcp_addr"], ["tpc_addr", "tcp_addr"], ["TCP_ADDR", "tcp_addr"], [
    "listener",
    "listeners",
  ], ["max_qso", "max_qos"]]
) {
  Deno.test(`"${typed}" stands for "${meant}"`, () => assert.equal(nearest(typed, KNOWN), meant));
}

Deno.test("what is like nothing stands for nothing", () => {
  for (const typed of ["", "x", "cluster", "completely_different"]) {
    assert.equal(nearest(typed, KNOWN), undefined, typed);
  }
  assert.equal(didYouMean("cluster", KNOWN), "");
});

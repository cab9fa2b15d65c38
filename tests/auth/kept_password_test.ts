import assert from "node:assert/strict";
import { decoyAmong, isPasswordFor, type KeptPassword } from "../../src/auth/kept_password.ts";
import { DEFAULT_COST, hashPassword } from "../../src/auth/scrypt_hash.ts";
import { usersOf } from "./users.ts";

const CHEAP = { logN: 10, r: 1, p: 1 };
const hash = await hashPassword("pencil", CHEAP);
const dearer = { ...hash, p: 2 };
const credential = (await usersOf({ cat: "pencil" })).get("cat")!;

/** What a password costs, whatever it is. */
function costOf(kept: KeptPassword): readonly number[] {
  return "key" in kept ? [kept.logN, kept.r, kept.p] : [kept.iterations];
}

Deno.test("a decoy costs what most do, among several the first of them, and by default what a new hash does", () => {
  const cases: [KeptPassword[], KeptPassword][] = [
    [[hash, dearer, dearer, credential], dearer],
    [[hash, dearer, credential, credential], credential],
    [[hash, credential], hash],
  ];
  for (const [others, most] of cases) assert.deepEqual(costOf(decoyAmong(others)), costOf(most));
  assert.deepEqual(costOf(decoyAmong([])), [DEFAULT_COST.logN, DEFAULT_COST.r, DEFAULT_COST.p]);
});

Deno.test("no password fits a decoy, that of the user least of all whose cost it has", async () => {
  const password = new TextEncoder().encode("pencil");
  for (const kept of [hash, credential]) {
    assert.equal(await isPasswordFor(kept, password), true);
    assert.equal(await isPasswordFor(decoyAmong([kept]), password), false);
  }
});

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { createHash, createHmac } from "node:crypto";
import { deriveScramCredential } from "../../mod.ts";
import { isScramPassword } from "../../src/auth/scram_credential.ts";
import { ITERATIONS } from "./users.ts";

/** The exchange printed in RFC 7677 section 3. */
const RFC_7677 = {
  password: "pencil",
  salt: "W22ZaJ0SNY7soEsUEjb6gQ==",
  authMessage: [
    "n=user,r=rOprNGfwEbeRWgbNEkqO",
    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
    "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
  ].join(","),
  proof: "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
  serverSignature: "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
};

function bytes(base64: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(Buffer.from(base64, "base64"));
}

Deno.test("RFC 7677 section 3: the credential of the example verifies its proof and makes its signature", async () => {
  const { password, salt, authMessage, proof, serverSignature } = RFC_7677;
  const credential = await deriveScramCredential(password, { salt: bytes(salt), iterations: 4096 });
  const signature = createHmac("sha256", credential.serverKey).update(authMessage).digest("base64");
  assert.equal(signature, serverSignature);
  const clientSignature = createHmac("sha256", credential.storedKey).update(authMessage).digest();
  const clientKey = bytes(proof).map((byte, index) => byte ^ clientSignature[index]);
  assert.deepEqual([...createHash("sha256").update(clientKey).digest()], [...credential.storedKey]);
});

Deno.test("a credential has its own salt, and says how it was derived", async () => {
  const [one, two] = [
    await deriveScramCredential("pencil", { iterations: ITERATIONS }),
    await deriveScramCredential("pencil", { iterations: ITERATIONS }),
  ];
  assert.equal(one.iterations, ITERATIONS);
  assert.equal(one.salt.length, 16);
  assert.equal(one.storedKey.length, 32);
  assert.equal(one.serverKey.length, 32);
  assert.notDeepEqual(one.salt, two.salt);
  assert.notDeepEqual(one.storedKey, two.storedKey);
});

Deno.test("fewer iterations than RFC 7677 allows are refused, with both numbers", async () => {
  for (const iterations of [4095, 1, 0, -1, NaN]) {
    await assert.rejects(deriveScramCredential("pencil", { iterations }), (error: Error) => {
      assert.ok(error instanceof RangeError);
      assert.match(error.message, new RegExp(`${iterations}.*4096`));
      return true;
    });
  }
});

Deno.test("a password that no login would be held against is refused: the longest has 1,024 bytes", async () => {
  const known = await deriveScramCredential("p".repeat(1024), { iterations: ITERATIONS });
  assert.ok(await isScramPassword(new TextEncoder().encode("p".repeat(1024)), known));
  for (const password of ["p".repeat(1025), "\u00e4".repeat(513)]) {
    await assert.rejects(
      deriveScramCredential(password, { iterations: ITERATIONS }),
      /^TypeError: Cannot use a password of \d+ bytes: the maximum is 1024$/,
    );
  }
});

Deno.test("a password of nothing, or with characters that RFC 4013 prohibits, is refused and not repeated", async () => {
  const prohibited = [
    "",
    "\u00ad",
    "a\u0000b",
    "bell\u0007",
    "\ue000private",
    "\ud800",
    "\u{e0001}tag",
    "\ufffd",
    "a\u202eb",
  ];
  for (const password of prohibited) {
    await assert.rejects(deriveScramCredential(password, { iterations: ITERATIONS }), (error: Error) => {
      assert.ok(error instanceof TypeError, JSON.stringify(password));
      assert.ok(password === "" || !error.message.includes(password));
      return true;
    }, JSON.stringify(password));
  }
});

Deno.test("RFC 4013: passwords that look the same are the same", async () => {
  const salt = new Uint8Array(16);
  const keyOf = async (password: string) => {
    return Buffer.from((await deriveScramCredential(password, { salt, iterations: ITERATIONS })).storedKey).toString(
      "hex",
    );
  };
  const same: [string, string][] = [
    ["I\u00adX", "IX"], // RFC 4013 section 3, example 1
    ["\u00aa", "a"], // example 4
    ["\u2168", "IX"], // example 5
    ["e\u0301", "\u00e9"],
    ["a\u00a0b", "a b"],
    ["a\u3000b", "a b"],
  ];
  for (const [one, other] of same) assert.equal(await keyOf(one), await keyOf(other), JSON.stringify(one));
  assert.notEqual(await keyOf("USER"), await keyOf("user")); // example 3
  assert.notEqual(await keyOf("user "), await keyOf("user"));
});

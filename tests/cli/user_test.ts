import assert from "node:assert/strict";
import { deriveScramCredential, preparePassword } from "../../src/auth/scram_credential.ts";
import { runProgram } from "../../src/cli/program.ts";
import { loadConfig } from "../../src/config/load.ts";
import { FakeHost } from "./support.ts";

Deno.test("RFC 7677 section 3: the credential of its example verifies its messages", async () => {
  const salt = Uint8Array.fromBase64("W22ZaJ0SNY7soEsUEjb6gQ==");
  const { storedKey, serverKey } = await deriveScramCredential("pencil", { salt, iterations: 4096 });
  const nonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
  const authMessage = new TextEncoder().encode(
    `n=user,r=rOprNGfwEbeRWgbNEkqO,r=${nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r=${nonce}`,
  );
  const proof = Uint8Array.fromBase64("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
  const signature = await hmac(storedKey, authMessage);
  const clientKey = proof.map((byte, index) => byte ^ signature[index]);
  assert.deepEqual(new Uint8Array(await crypto.subtle.digest("SHA-256", clientKey)), storedKey);
  assert.equal((await hmac(serverKey, authMessage)).toBase64(), "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
});

Deno.test("RFC 4013: passwords that look alike are alike, prohibited ones are refused", () => {
  assert.equal(preparePassword("I\u00adX"), "IX");
  assert.equal(preparePassword("\u00aa\u2168"), "aIX");
  assert.equal(preparePassword("a\u00a0b"), "a b");
  assert.equal(preparePassword("e\u0301"), "\u00e9");
  for (const password of ["", "\u00ad", "a\u0007", "\ue000", "\ud800", "\u0378"]) {
    assert.throws(() => preparePassword(password), TypeError, JSON.stringify(password));
  }
});

Deno.test("fewer iterations than RFC 7677 allows are refused", async () => {
  await assert.rejects(deriveScramCredential("pencil", { iterations: 4095 }), RangeError);
});

Deno.test("weir user scram prints an entry that the configuration takes", async () => {
  const host = new FakeHost({ secrets: ["pencil"] });
  assert.equal(await runProgram(["user", "scram", "al ice", "--iterations", "4096"], host), 0);
  assert.deepEqual(host.complaints, []);
  const yaml = `${host.printed.join("\n")}\n`;
  const env = { WEIR_AUTH_ACL_DEFAULT: "allow" };
  const [user] = loadConfig({ env, path: "weir.yaml", readFile: () => new TextEncoder().encode(yaml) }).auth.scramUsers;
  const again = await deriveScramCredential("pencil", user);
  assert.deepEqual([user.username, user.storedKey, user.serverKey], ["al ice", again.storedKey, again.serverKey]);
});

Deno.test("a person is asked twice", async () => {
  const same = new FakeHost({ secrets: ["pencil", "pencil"], isInteractive: true });
  assert.equal(await runProgram(["user", "scram", "alice", "--iterations", "4096"], same), 0);
  assert.deepEqual(same.events, ["ask Password of alice: ", "ask Again: "]);
  const other = new FakeHost({ secrets: ["pencil", "pencli"], isInteractive: true });
  assert.equal(await runProgram(["user", "scram", "alice"], other), 1);
  assert.deepEqual([other.complaints, other.printed], [["weir: The two passwords differ"], []]);
});

Deno.test("Ctrl-C at a question ends the program as the signal does", async () => {
  const url = "http://127.0.0.1:1";
  for (
    const [secrets, line] of [
      [[], ["user", "scram", "alice"]],
      [["pencil"], ["user", "scram", "alice"]],
      [["pencil"], ["user", "add", "alice", "--file", "/none/users"]],
      [[], ["queue", "list", "--url", url, "--username", "alice"]],
    ] as const
  ) {
    const host = new FakeHost({ secrets: [...secrets], isInteractive: true });
    assert.deepEqual([await runProgram(line, host), host.complaints, host.printed], [130, [], []], line.join(" "));
  }
});

Deno.test("no password, or one that is none, makes no entry", async () => {
  for (
    const [secrets, words] of [[[], /without a password/], [[""], /empty password/], [["a\u0007"], /control/]] as const
  ) {
    const host = new FakeHost({ secrets: [...secrets] });
    assert.equal(await runProgram(["user", "scram", "alice"], host), 1);
    assert.match(host.complaints[0], words);
    assert.deepEqual(host.printed, []);
  }
});

async function hmac(keyBytes: Uint8Array<ArrayBuffer>, data: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  const key = await crypto.subtle.importKey("raw", keyBytes, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  return new Uint8Array(await crypto.subtle.sign("HMAC", key, data));
}

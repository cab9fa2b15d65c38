import assert from "node:assert/strict";
import { errors, exportJWK, generateKeyPair } from "jose";
import { RemoteKeys } from "../../src/auth/remote_keys.ts";
import { KeysUnavailableError } from "../../src/auth/token_keys.ts";
import { WebServer } from "./web_server.ts";

const first = { ...await exportJWK((await generateKeyPair("ES256", { extractable: true })).publicKey), kid: "first" };
const second = { ...first, kid: "second" };

/** Keys from `server`, and a clock that only the test moves. */
class Fixture implements Disposable {
  now = 1_000_000;
  readonly told: unknown[] = [];
  readonly keys: RemoteKeys;

  constructor(url: string) {
    this.keys = new RemoteKeys({
      url,
      timeoutMs: 2_000,
      algorithms: ["ES256"],
      maxAgeMs: 60_000,
      staleMs: 600_000,
      coolDownMs: 10_000,
      onFetched: (error) => this.told.push(error),
      now: () => this.now,
    });
  }

  find(kid: string): Promise<number> {
    return this.keys.keysFor({ alg: "ES256", kid }).then((keys) => keys.length);
  }

  [Symbol.dispose](): void {
    this.keys[Symbol.dispose]();
  }
}

Deno.test("keys are asked for once, and again when they are old, while the old ones do", async () => {
  await using server = new WebServer(() => Response.json({ keys: [first] }));
  using fixture = new Fixture(server.url);
  assert.equal(await fixture.find("first"), 1);
  await Promise.all(Array.from({ length: 50 }, () => fixture.find("first")));
  assert.equal(server.requests, 1);
  fixture.now += 60_001;
  assert.equal(await fixture.find("first"), 1);
  await fixture.keys.refresh(); // waits for the one under way
  assert.equal(server.requests, 2);
});

Deno.test("a key that nobody knows is looked for once in a while, however many tokens name whatever keys", async () => {
  await using server = new WebServer(() => Response.json({ keys: [first] }));
  using fixture = new Fixture(server.url);
  await fixture.find("first");
  for (let n = 0; n < 100; n++) await assert.rejects(fixture.find(`made up ${n}`), errors.JWKSNoMatchingKey);
  assert.equal(server.requests, 1, "the cool-down holds");
  fixture.now += 10_001;
  await Promise.allSettled(Array.from({ length: 100 }, (_, n) => fixture.find(`made up ${n}`)));
  assert.equal(server.requests, 2);
  server.answer = () => Response.json({ keys: [first, second] });
  fixture.now += 10_001;
  assert.equal(await fixture.find("second"), 1, "a key that was added is found");
  server.answer = () => Response.json({ keys: [second] });
  fixture.now += 60_001;
  await fixture.find("second");
  await fixture.keys.refresh();
  await assert.rejects(fixture.find("first"), errors.JWKSNoMatchingKey, "a key that was taken out is gone");
});

Deno.test("a provider that is down, slow, huge or talks garbage: old keys for a while, then nobody", async () => {
  await using server = new WebServer(() => Response.json({ keys: [first] }));
  using fixture = new Fixture(server.url);
  await fixture.find("first");
  const answers: (() => Response)[] = [
    () => new Response("no", { status: 500 }),
    () => new Response("x".repeat(10_000)),
    () => new Response("{"),
    () => Response.json({ keys: [] }),
    () => Response.json({ keys: [{ kty: "oct", k: "AAAA" }] }),
    () => Response.redirect(`${server.url}/elsewhere`),
    () => new Response(Uint8Array.of(0xff, 0xfe)),
  ];
  for (const answer of answers) {
    server.answer = answer;
    fixture.now += 60_001;
    assert.equal(await fixture.find("first"), 1);
    const before = fixture.told.length;
    await fixture.keys.refresh();
    assert.ok(fixture.told.at(-1) instanceof Error, `${before}`);
  }
  fixture.now += 600_001;
  await assert.rejects(fixture.find("first"), KeysUnavailableError);
  server.answer = () => Response.json({ keys: [first] });
  await assert.rejects(fixture.find("first"), KeysUnavailableError, "the cool-down holds for failures too");
  fixture.now += 10_001;
  assert.equal(await fixture.find("first"), 1);
});

Deno.test("before the first answer nobody comes in", async () => {
  using fixture = new Fixture("http://127.0.0.1:1/keys");
  await assert.rejects(fixture.find("first"), KeysUnavailableError);
});

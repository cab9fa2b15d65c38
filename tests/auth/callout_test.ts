import assert from "node:assert/strict";
import type { Credentials } from "../../mod.ts";
import { type CalloutOptions, CalloutSource } from "../../src/auth/callout_source.ts";
import type { Denial, Identification } from "../../src/auth/identity.ts";
import type { VerdictCacheOptions } from "../../src/auth/verdict_cache.ts";
import { requires } from "../support/skip.ts";
import { Certificates } from "../tls/certificates.ts";
import { WebServer } from "./web_server.ts";

/** A callout to `url`, and a clock that only the test moves. */
class Fixture implements Disposable {
  now = 1_000_000;
  readonly told: unknown[] = [];
  readonly source: CalloutSource;

  constructor(url: string, options: Partial<Omit<CalloutOptions, "cache"> & VerdictCacheOptions> = {}) {
    this.source = new CalloutSource({
      url,
      cache: { entriesMax: 10, knownMs: 60_000, deniedMs: 5_000, staleMs: 600_000, ...options },
      atOnceMax: 4,
      onState: (error) => this.told.push(error),
      now: () => this.now,
      ...options,
    });
  }

  async ask(username: string | undefined, password: string | Uint8Array | undefined, more: Partial<Credentials> = {}) {
    const bytes = typeof password === "string" ? new TextEncoder().encode(password) : password;
    const origin = { remoteAddress: "192.0.2.7", listener: "tcp", protocolVersion: 5 };
    return shown(await this.source.identify({ clientId: "c", username, password: bytes, ...origin, ...more }));
  }

  [Symbol.dispose](): void {
    this.source[Symbol.dispose]();
  }
}

function shown(found: Identification | Denial | undefined): string {
  if (found === undefined) return "not known";
  return "refusal" in found ? found.refusal : `let in as ${found.username}`;
}

/** Lets in whoever has the password "pencil". */
function pencil(body: string): Response {
  return Response.json({ authenticated: JSON.parse(body).password === "pencil" });
}

const WRONG = "bad-user-name-or-password";
const DOWN = "server-unavailable";

Deno.test("a client whose name is none is refused, and takes nobody else's answers away", async () => {
  await using server = new WebServer((body) => {
    const { username } = JSON.parse(body);
    return Response.json({ authenticated: true, ...(username.startsWith("long") && { id: "dev-1" }) });
  });
  using fixture = new Fixture(server.url);
  for (const name of ["ann\t", "a".repeat(257), "", "ann\n", "ann\u0000", "ann\u0085"]) {
    assert.equal(await fixture.ask(name, "pencil"), "bad-user-name-or-password", JSON.stringify(name));
  }
  assert.deepEqual(fixture.told, [], "who is asked has answered as it should");
  assert.equal(await fixture.ask("ann", "pencil"), "let in as ann");
  assert.equal(await fixture.ask("long".repeat(100), "pencil"), "let in as dev-1");
});

Deno.test("the question is that of the seed and more, the answer decides", async () => {
  await using server = new WebServer(pencil);
  using fixture = new Fixture(`${server.url}/base/`, { token: "secret-token" });
  let path = "";
  server.answer = (body, request) => {
    path = `${request.method} ${new URL(request.url).pathname}`;
    return pencil(body);
  };
  assert.equal(await fixture.ask("ann", "pencil"), "let in as ann");
  assert.equal(await fixture.ask("ann", "wrong"), WRONG);
  assert.equal(path, "POST /base/auth/authenticate");
  assert.deepEqual(JSON.parse(server.bodies[0]), {
    client_id: "c",
    username: "ann",
    password: "pencil",
    protocol: "mqtt",
    protocol_version: 5,
    remote_address: "192.0.2.7",
    listener: "tcp",
  });
  assert.equal(server.headers[0].get("content-type"), "application/json");
  assert.equal(server.headers[0].get("authorization"), "Bearer secret-token");
});

Deno.test("id, groups and access rules come from the answer", async () => {
  const acl = { publish: { allow: ["a/#"] } };
  await using server = new WebServer(() => Response.json({ authenticated: true, id: "u-1", groups: ["ops"], acl }));
  using fixture = new Fixture(server.url);
  const origin = { remoteAddress: "", listener: "", protocolVersion: 5, clientId: "c" };
  assert.deepEqual(await fixture.source.identify({ username: "ann", password: undefined, ...origin }), {
    username: "u-1",
    groups: ["ops"],
    rules: [{ permission: "allow", action: "publish", filter: "a/#" }],
  });
  assert.equal(JSON.parse(server.bodies[0]).password, "", "none is an empty one, as in the seed");
});

Deno.test(requires(["openssl"], {
  name: "over TLS it is asked when its certificate is signed by a known authority, and is told no password otherwise",
  async fn() {
    using certificates = new Certificates();
    const [cert, key] = [certificates.read("server.crt"), certificates.read("server.key")];
    await using server = new WebServer(pencil, { cert, key });
    using known = new Fixture(server.url, { authority: certificates.read("ca.crt") });
    assert.equal(await known.ask("ann", "pencil"), "let in as ann");
    using unknown = new Fixture(server.url);
    assert.equal(await unknown.ask("ann", "s3cret"), DOWN);
    assert.equal(server.requests, 1);
  },
}));

Deno.test("a proxy that the environment names reads no password on its way to this machine", async () => {
  await using proxy = new WebServer(() => Response.json({ authenticated: true }));
  await using server = new WebServer(pencil);
  const names = ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"];
  const before = names.map((name) => Deno.env.get(name));
  try {
    for (const name of names) Deno.env.set(name, proxy.url);
    using fixture = new Fixture(server.url);
    assert.equal(await fixture.ask("ann", "pencil"), "let in as ann");
    assert.equal(await fixture.ask("ann", "wrong"), WRONG);
  } finally {
    names.forEach((name, index) => {
      const value = before[index];
      if (value === undefined) Deno.env.delete(name);
      else Deno.env.set(name, value);
    });
  }
  assert.deepEqual([proxy.requests, server.requests], [0, 2]);
});

Deno.test("who gives no name is not asked about, and a password that is no text lets nobody in", async () => {
  await using server = new WebServer(() => Response.json({ authenticated: true }));
  using fixture = new Fixture(server.url);
  assert.equal(await fixture.ask(undefined, "pencil"), "not known");
  assert.equal(await fixture.ask("ann", Uint8Array.of(0xff)), WRONG);
  assert.equal(server.requests, 0);
});

Deno.test("answers are kept for a while, a password as a hash, by everything that was asked about", async () => {
  await using server = new WebServer(pencil);
  using fixture = new Fixture(server.url);
  for (let n = 0; n < 5; n++) assert.equal(await fixture.ask("ann", "pencil"), "let in as ann");
  for (let n = 0; n < 5; n++) assert.equal(await fixture.ask("ann", "wrong"), WRONG);
  assert.equal(server.requests, 2, "each is asked once");
  await fixture.ask("ann", "pencil", { clientId: "d" });
  await fixture.ask("ann", "pencil", { listener: "other" });
  await fixture.ask("ann", "pencil", { remoteAddress: "192.0.2.8" });
  assert.equal(server.requests, 5);
  assert.doesNotMatch(Deno.inspect(fixture.source, { depth: 9, showHidden: true }), /pencil|wrong/);
  fixture.now += 5_000;
  await fixture.ask("ann", "wrong");
  await fixture.ask("ann", "pencil");
  assert.equal(server.requests, 6, "a no is good for a shorter time");
  fixture.now += 55_000;
  await fixture.ask("ann", "pencil");
  assert.equal(server.requests, 7);
  fixture.source.forget();
  await fixture.ask("ann", "pencil");
  assert.equal(server.requests, 8);
});

Deno.test("the same question at the same time is asked once", async () => {
  await using server = new WebServer(pencil);
  using fixture = new Fixture(server.url);
  const all = await Promise.all(Array.from({ length: 50 }, () => fixture.ask("ann", "pencil")));
  assert.deepEqual([new Set(all), server.requests], [new Set(["let in as ann"]), 1]);
});

Deno.test("the cache is bounded, and guesses do not push out who is known", async () => {
  await using server = new WebServer(pencil);
  using fixture = new Fixture(server.url);
  await fixture.ask("ann", "pencil");
  for (let n = 0; n < 40; n++) await fixture.ask("ann", `guess ${n}`);
  assert.equal(fixture.source.kept, 11);
  const before = server.requests;
  await fixture.ask("ann", "pencil");
  assert.equal(server.requests, before);
  using without = new Fixture(server.url, { entriesMax: 0 });
  await without.ask("ann", "pencil");
  assert.equal(without.source.kept, 0);
});

/** What is no answer: it is told, and nobody comes in by it. */
const GARBAGE: Readonly<Record<string, (url: string) => Response>> = {
  "an error": () => new Response("no", { status: 500 }),
  "a refusal by status": () => Response.json({ authenticated: true }, { status: 401 }),
  "another success": () => Response.json({ authenticated: true }, { status: 201 }),
  "nothing": () => new Response(null, { status: 204 }),
  "a redirection": (url) => Response.redirect(`${url}/elsewhere`, 307),
  "too much": () => Response.json({ authenticated: true, filler: "x".repeat(70_000) }),
  "no JSON": () => new Response("<html>authenticated: true</html>"),
  "no map": () => Response.json([true]),
  "null": () => Response.json(null),
  "no word": () => Response.json({}),
  "a text for a flag": () => Response.json({ authenticated: "true" }),
  "a number for a flag": () => Response.json({ authenticated: 1 }),
  "an id that is none": () => Response.json({ authenticated: true, id: "a\u0000b" }),
  "an id that is no text": () => Response.json({ authenticated: true, id: { a: 1 } }),
  "groups that are none": () => Response.json({ authenticated: true, groups: { a: 1 } }),
  "access rules that are none": () => Response.json({ authenticated: true, acl: { publish: ["#"] } }),
  "bytes that are no UTF-8": () => new Response(Uint8Array.of(0xff)),
};

for (const [what, answer] of Object.entries(GARBAGE)) {
  Deno.test(`a callout that answers with ${what} lets nobody in, and no password is told`, async () => {
    await using server = new WebServer((_, request) => answer(new URL(request.url).origin));
    using fixture = new Fixture(server.url, { token: "s3cret-token" });
    assert.equal(await fixture.ask("ann", "s3cret"), DOWN);
    assert.equal(server.requests, 1, "nobody is followed elsewhere");
    assert.ok(fixture.told[0] instanceof Error);
    assert.doesNotMatch(Deno.inspect(fixture.told), /s3cret/);
  });
}

Deno.test("a callout that is slow is given up, whether it says nothing or never ends", async () => {
  const ended = Promise.withResolvers<void>();
  await using server = new WebServer(async () => {
    await ended.promise;
    return Response.json({ authenticated: true });
  });
  using fixture = new Fixture(server.url, { timeoutMs: 150 });
  assert.equal(await fixture.ask("ann", "pencil"), DOWN);
  assert.match(String(fixture.told[0]), /no answer within 150 ms/);
  ended.resolve();
  server.answer = () => {
    let timer: ReturnType<typeof setInterval>;
    const body = new ReadableStream({
      start: (controller) => void (timer = setInterval(() => controller.enqueue(new TextEncoder().encode(" ")), 20)),
      cancel: () => clearInterval(timer),
    });
    return new Response(body);
  };
  assert.equal(await fixture.ask("bob", "pencil"), DOWN);
});

Deno.test("a callout that is down is asked five times, then rests, then one may try", async () => {
  await using server = new WebServer(() => new Response("", { status: 503 }));
  using fixture = new Fixture(server.url);
  for (let n = 0; n < 20; n++) assert.equal(await fixture.ask(`user ${n}`, "pencil"), DOWN);
  assert.equal(server.requests, 5);
  assert.equal(fixture.told.length, 1, "told once");
  fixture.now += 10_000;
  await Promise.all(Array.from({ length: 10 }, (_, n) => fixture.ask(`other ${n}`, "pencil")));
  assert.equal(server.requests, 6, "one tries");
  fixture.now += 10_000;
  server.answer = pencil;
  assert.equal(await fixture.ask("ann", "pencil"), "let in as ann");
  assert.equal(await fixture.ask("bob", "pencil"), "let in as bob");
  assert.equal(fixture.told.at(-1), undefined, "and that it is back");
});

Deno.test("when it is down: nobody but whose answer is fresh, or those with an older one as well", async () => {
  for (const allowsStale of [false, true]) {
    await using server = new WebServer(pencil);
    using fixture = new Fixture(server.url, { allowsStale });
    await fixture.ask("ann", "pencil");
    await fixture.ask("eve", "wrong");
    server.answer = () => new Response("", { status: 503 });
    assert.equal(await fixture.ask("ann", "pencil"), "let in as ann", "the answer is fresh");
    fixture.now += 60_000;
    assert.equal(await fixture.ask("ann", "pencil"), allowsStale ? "let in as ann" : DOWN);
    assert.equal(await fixture.ask("ann", "wrong"), DOWN, "another password is another question");
    assert.equal(await fixture.ask("eve", "wrong"), DOWN);
    for (let n = 0; n < 9; n++) await fixture.ask(`user ${n}`, "x");
    assert.equal(await fixture.ask("ann", "pencil"), allowsStale ? "let in as ann" : DOWN, "while it rests as well");
    fixture.now += 600_000;
    assert.equal(await fixture.ask("ann", "pencil"), DOWN, "too old");
  }
});

Deno.test("a no takes an older yes away", async () => {
  await using server = new WebServer(() => Response.json({ authenticated: true }));
  using fixture = new Fixture(server.url, { allowsStale: true });
  await fixture.ask("ann", "pencil");
  fixture.now += 60_000;
  server.answer = () => Response.json({ authenticated: false });
  assert.equal(await fixture.ask("ann", "pencil"), WRONG);
  server.answer = () => new Response("", { status: 503 });
  fixture.now += 5_000;
  assert.equal(await fixture.ask("ann", "pencil"), DOWN);
});

Deno.test("some questions at a time, the others wait, and too many are told that it is busy", async () => {
  let running = 0;
  let most = 0;
  const gate = Promise.withResolvers<void>();
  const full = Promise.withResolvers<void>();
  await using server = new WebServer(async (body) => {
    most = Math.max(most, ++running);
    if (running === 4) full.resolve();
    await gate.promise;
    running--;
    return pencil(body);
  });
  using fixture = new Fixture(server.url, { timeoutMs: 20_000 });
  const all = Array.from({ length: 1_010 }, (_, n) => fixture.ask(`user ${n}`, "pencil"));
  assert.equal(await Promise.race(all), "server-busy");
  await full.promise;
  gate.resolve();
  const said = await Promise.all(all);
  assert.equal(said.filter((each) => each === "server-busy").length, 6);
  assert.equal(said.filter((each) => each.startsWith("let in")).length, 1_004);
  assert.equal(most, 4);
});

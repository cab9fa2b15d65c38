/** Status codes and headers say what happened; who is let in, and which pages. */
import assert from "node:assert/strict";
import type { Authenticator, Policy, RefusalCause } from "../../mod.ts";
import { HttpDoor } from "./door.ts";
import { RawHttp, statusOf } from "./raw.ts";

const POLICY: Policy = {
  mayPublish: (_, topic) => topic !== "secret",
  maySubscribe: (_, filter) => filter !== "secret" && filter !== "#",
};

/** Lets in ann with a password, and whoever has the token. */
const USERS: Authenticator = {
  authenticate: ({ username, password }) => {
    const text = new TextDecoder().decode(password);
    if (username === "ann" && text === "pass:wörd") return { username, policy: POLICY };
    if (username === undefined && text === "to.k-en_") return { username: "bob", policy: POLICY };
    return { refusal: "bad-user-name-or-password", reason: "User name or password is wrong" };
  },
};

function basic(text: string): Record<string, string> {
  return { authorization: `Basic ${new TextEncoder().encode(text).toBase64()}` };
}

Deno.test("Basic and Bearer let in who they should, and 401 says how to", async () => {
  await using door = await HttpDoor.open({ authenticator: USERS });
  await door.call("/retained?filter=a", { headers: basic("ann:pass:wörd") });
  await door.call("/retained?filter=a", { headers: { authorization: "bearer to.k-en_" } });
  const wrong = [
    "Basic",
    "Basic %%",
    "Basic YQ==",
    "Basic /zpwYXNz",
    "Digest x",
    "Bearer",
    "Bearer a b",
    "Bearer other",
    "x",
  ];
  for (const authorization of [...wrong, basic("ann:no").authorization, undefined]) {
    const response = await door.fetch("/retained?filter=a", {
      headers: authorization === undefined ? {} : { authorization },
    });
    assert.equal(response.status, 401, authorization ?? "nobody");
    assert.match(
      response.headers.get("www-authenticate")!,
      /^Basic realm="weir", charset="UTF-8", Bearer realm="weir"$/,
    );
    assert.equal(response.headers.get("content-type"), "application/problem+json");
    const problem = await response.text();
    assert.doesNotMatch(problem, /wörd|other/, "nothing of what was shown is in the answer");
  }
  await door.call("/health");
  await door.call("/openapi.json");
});

Deno.test("nobody's body is read before it is known who that is", async () => {
  await using door = await HttpDoor.open({ authenticator: USERS });
  const head =
    "POST /publish HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n";
  const answer = await RawHttp.exchange(door.port, head);
  assert.equal(statusOf(answer), 401);
  assert.match(answer, /connection: close/i);
});

Deno.test("what the policy forbids is 403", async () => {
  await using door = await HttpDoor.open({ authenticator: USERS });
  const headers = basic("ann:pass:wörd");
  await door.call("/publish", { json: { topic: "secret" }, headers, status: 403 });
  await door.call("/topics/secret", { body: "x", headers, status: 403 });
  await door.call("/request/secret", { body: "x", headers, status: 403 });
  await door.call("/request/a?response_topic=secret", { body: "x", headers, status: 403 });
  for (const path of ["/subscribe?filter=secret", "/poll?filter=a&filter=secret", "/retained/secret", "/retained"]) {
    const problem = await door.call(path, { headers, status: 403 });
    assert.equal(problem.type, "urn:weir:problem:not-authorized");
  }
  await door.call("/retained/secret", { method: "DELETE", headers, status: 403 });
  await door.call("/topics/a", { body: "x", headers });
});

Deno.test("the session of another user is not to be had", async () => {
  await using door = await HttpDoor.open({
    authenticator: { authenticate: ({ username }) => ({ username, policy: POLICY }) },
  });
  const as = (name: string) => ({ headers: { ...basic(`${name}:x`), "x-client-id": "shared" } });
  const query = "filter=a&session_expiry_seconds=60";
  const events = await door.subscribe(query, as("ann"));
  await door.call(`/subscribe?${query}`, { ...as("bob"), status: 403 });
  await door.call(`/poll?${query}`, { ...as("bob"), status: 403 });
  await door.call("/ack", { ...as("bob"), json: { through: 9 }, status: 403 });
  await door.call("/session", { ...as("bob"), method: "DELETE", status: 403 });
  await door.broker.publish({ topic: "a", payload: "still ann's" });
  assert.equal(await events.payload(), "still ann's");
});

const CAUSES: Readonly<Partial<Record<RefusalCause, readonly [number, string | null]>>> = {
  "banned": [403, null],
  "message-rate-too-high": [429, "1"],
  "connection-rate-exceeded": [429, "1"],
  "quota-exceeded": [429, "1"],
  "server-busy": [503, "1"],
  "server-shutting-down": [503, "10"],
  "not-authorized": [401, null],
};

Deno.test("why somebody is not let in decides about the status", async () => {
  for (const [refusal, [status, retryAfter]] of Object.entries(CAUSES)) {
    const authenticator = { authenticate: () => ({ refusal: refusal as RefusalCause, reason: "so it is" }) };
    await using door = await HttpDoor.open({ authenticator });
    const response = await door.fetch("/retained");
    assert.deepEqual([response.status, response.headers.get("retry-after")], [status, retryAfter], refusal);
    assert.equal((await response.json()).type, `urn:weir:problem:${refusal}`);
  }
});

Deno.test("an authenticator that fails is our fault, and says nothing of why", async () => {
  await using door = await HttpDoor.open({
    authenticator: { authenticate: () => Promise.reject(new Error("secret")) },
  });
  const response = await door.fetch("/retained");
  assert.equal(response.status, 500);
  assert.doesNotMatch(await response.text(), /secret/);
});

Deno.test("methods: 405 with Allow, OPTIONS with Allow, HEAD as GET without a body", async () => {
  await using door = await HttpDoor.open();
  await door.call("/topics/a?retain", { body: "x" });
  const allowed: Record<string, string> = {
    "/publish": "POST, OPTIONS",
    "/publish/batch": "POST, OPTIONS",
    "/topics/a": "POST, PUT, OPTIONS",
    "/request/a": "POST, OPTIONS",
    "/subscribe": "GET, OPTIONS",
    "/poll": "GET, OPTIONS",
    "/ack": "POST, OPTIONS",
    "/session": "DELETE, OPTIONS",
    "/retained": "GET, HEAD, OPTIONS",
    "/retained/a": "GET, DELETE, HEAD, OPTIONS",
    "/health": "GET, HEAD, OPTIONS",
    "/openapi.json": "GET, HEAD, OPTIONS",
  };
  for (const [path, allow] of Object.entries(allowed)) {
    for (const method of ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"]) {
      if (allow.split(", ").includes(method) && method !== "OPTIONS") continue;
      const response = await door.fetch(path, { method });
      assert.deepEqual(
        [response.status, response.headers.get("allow")],
        [method === "OPTIONS" ? 204 : 405, allow],
        `${method} ${path}`,
      );
      await response.body?.cancel();
    }
  }
  for (const path of ["/health", "/retained", "/retained/a", "/openapi.json"]) {
    const head = await door.fetch(path, { method: "HEAD" });
    const get = await door.fetch(path);
    assert.deepEqual([head.status, head.headers.get("content-length")], [200, get.headers.get("content-length")]);
    assert.ok((await get.text()).length > 0);
    assert.equal(await head.text(), "");
  }
  assert.equal((await door.fetch("/retained/none", { method: "HEAD" })).status, 404);
  await door.call("/", { status: 404 });
  await door.call("/nothing", { status: 404 });
  for (const method of ["TRACE", "CONNECT"]) {
    const answer = await RawHttp.exchange(
      door.port,
      `${method} /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`,
    );
    assert.ok([0, 400, 404, 405].includes(statusOf(answer)), answer);
  }
});

Deno.test("every answer has the headers that keep browsers from making more of it", async () => {
  await using door = await HttpDoor.open();
  for (const path of ["/health", "/nothing", "/subscribe?filter=a", "/subscribe?filter="]) {
    const { headers, body } = await door.fetch(path);
    assert.equal(headers.get("x-content-type-options"), "nosniff");
    assert.equal(headers.get("cache-control"), "no-store");
    assert.match(headers.get("content-security-policy")!, /default-src 'none'; frame-ancestors 'none'/);
    assert.equal(headers.get("access-control-allow-origin"), null);
    await body?.cancel();
  }
});

Deno.test("pages of other origins get nothing and send nothing unless they are named", async () => {
  await using door = await HttpDoor.open();
  const events = await door.subscribe("filter=%23&encoding=text");
  const pages: Record<string, string>[] = [{ origin: "https://evil.example" }, { origin: "null" }, {
    "sec-fetch-site": "cross-site",
  }];
  for (const headers of pages) {
    await door.call("/topics/a", { body: "forged", headers, status: 403 });
    await door.call("/retained", { headers, status: 403 });
  }
  const preflight = { origin: "https://evil.example", "access-control-request-method": "POST" };
  const response = await door.fetch("/publish", { method: "OPTIONS", headers: preflight });
  assert.equal(response.headers.get("access-control-allow-origin"), null);
  assert.equal(response.headers.get("access-control-allow-methods"), null);
  await door.call("/topics/a", { body: "own", headers: { origin: door.url } });
  assert.equal(await events.payload(), "own");
});

Deno.test("a page of an origin that is named may do everything but bring what the browser adds", async () => {
  const corsOrigins = ["https://app.example", "http://localhost:3000"];
  await using door = await HttpDoor.open({ http: { corsOrigins } });
  const headers = { origin: "https://app.example" };
  const preflight = { ...headers, "access-control-request-method": "POST" };
  const { headers: said, status } = await door.fetch("/publish", { method: "OPTIONS", headers: preflight });
  assert.equal(status, 204);
  assert.equal(said.get("access-control-allow-origin"), "https://app.example");
  assert.equal(said.get("access-control-allow-methods"), "POST, OPTIONS");
  assert.match(said.get("access-control-allow-headers")!, /authorization, content-type, last-event-id, x-client-id/);
  assert.equal(said.get("access-control-allow-credentials"), null);
  assert.equal(said.get("vary"), "origin");
  const answer = await door.fetch("/nothing", { headers });
  assert.equal(answer.headers.get("access-control-allow-origin"), "https://app.example", "pages may read refusals");
  await answer.body?.cancel();
  for (
    const origin of ["https://app.example.evil", "http://app.example", "https://app.example:8443", "http://localhost"]
  ) {
    const response = await door.fetch("/topics/a", { body: "x", headers: { origin } });
    assert.deepEqual([response.status, response.headers.get("access-control-allow-origin")], [403, null], origin);
    await response.body?.cancel();
  }
});

Deno.test("with a star for every origin, still nothing that the browser adds", async () => {
  await using door = await HttpDoor.open({ http: { corsOrigins: ["*"] } });
  const response = await door.fetch("/health", { headers: { origin: "https://anywhere.example" } });
  assert.equal(response.headers.get("access-control-allow-origin"), "*");
  assert.equal(response.headers.get("access-control-allow-credentials"), null);
  await response.body?.cancel();
});

Deno.test("a listener of this machine serves no host of another name (DNS rebinding)", async () => {
  await using door = await HttpDoor.open();
  const get = (host: string) => {
    return RawHttp.exchange(door.port, `GET /health HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
  };
  for (const host of ["localhost", `127.0.0.1:${door.port}`, "[::1]:8080", "app.localhost"]) {
    assert.equal(statusOf(await get(host)), 200, host);
  }
  for (const host of ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "", "a b"]) {
    assert.ok([400, 421].includes(statusOf(await get(host))), host);
  }
});

Deno.test("while the broker stops, calls get 503 and are told when to come back", async () => {
  await using door = await HttpDoor.open();
  const lingering = await door.mqtt.connect(); // it takes the broker two seconds to give up on it
  const stopped = door.broker.stop();
  const health = await door.fetch("/health");
  assert.deepEqual([health.status, health.headers.get("retry-after")], [503, "10"]);
  assert.deepEqual(await health.json(), { status: "draining" });
  const response = await door.fetch("/publish", { json: { topic: "a" } });
  assert.deepEqual([response.status, response.headers.get("retry-after")], [503, "10"]);
  assert.equal((await response.json()).type, "urn:weir:problem:server-shutting-down");
  lingering.close();
  await stopped;
  await assert.rejects(door.fetch("/health"), "the port is free");
});

Deno.test("the same bridge under a server of the program's own", async () => {
  await using door = await HttpDoor.open({ authenticator: USERS });
  const handler = door.broker.httpHandler({ name: "mounted" });
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, handler);
  try {
    const url = `http://127.0.0.1:${server.addr.port}`;
    const events = await door.subscribe("filter=a/%23&encoding=text", { headers: basic("ann:pass:wörd") });
    const headers = basic("ann:pass:wörd");
    const response = await fetch(`${url}/topics/a//b?qos=1`, { method: "PUT", body: "mounted", headers });
    assert.deepEqual([response.status, await response.text()], [200, '{"status":"ok"}']);
    assert.equal((await events.next())?.data.topic, "a//b");
    assert.equal((await fetch(`${url}/retained`).then((r) => (r.body?.cancel(), r))).status, 401);
    const subscribed = await fetch(`${url}/subscribe?filter=c`, { headers });
    const reader = subscribed.body!.pipeThrough(new TextDecoderStream()).getReader();
    assert.equal((await reader.read()).value, "retry: 1000\n\n");
    await door.broker.publish({ topic: "c", payload: "x" });
    assert.match((await reader.read()).value!, /^data: /);
    await reader.cancel();
  } finally {
    await server.shutdown();
  }
});

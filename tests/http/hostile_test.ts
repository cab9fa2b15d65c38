/** Who means ill, or writes HTTP by hand, gets no further than the limits. */
import assert from "node:assert/strict";
import { until } from "../embedding/waiting.ts";
import { HttpDoor } from "./door.ts";
import { isWholeAnswer, RawHttp, statusOf } from "./raw.ts";

const JSON_HEAD = "POST /publish HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";

async function isAlive(door: HttpDoor): Promise<void> {
  assert.deepEqual(await door.call("/health"), { status: "healthy" });
}

Deno.test("slow loris: headers that do not end are cut in time, and so is a connection that says nothing", async () => {
  await using door = await HttpDoor.open({ connection: { connectTimeoutMs: 500 } });
  const started = performance.now();
  const answers = await Promise.all([
    RawHttp.exchange(door.port, "GET /health HTTP/1.1\r\nHost: localhost\r\n"),
    RawHttp.exchange(door.port, "GE"),
    RawHttp.exchange(door.port, ""),
  ]);
  assert.deepEqual(answers.map(statusOf), [408, 408, 408]);
  assert.ok(performance.now() - started < 5_000);
  await isAlive(door);
});

Deno.test("slow loris: a header every now and then keeps nothing open", async () => {
  await using door = await HttpDoor.open({ connection: { connectTimeoutMs: 600 } });
  using raw = await RawHttp.open(door.port);
  await raw.write("GET /health HTTP/1.1\r\n");
  const dripping = setInterval(() => raw.write("X: y\r\n").catch(() => {}), 100);
  try {
    assert.equal(statusOf(await raw.read()), 408);
  } finally {
    clearInterval(dripping);
  }
});

Deno.test("slow loris: a body that does not come is waited for as long as is configured", async () => {
  await using door = await HttpDoor.open({ http: { requestTimeoutMs: 300 } });
  const answer = await RawHttp.exchange(door.port, `${JSON_HEAD}Content-Length: 100\r\n\r\n{"topic":`);
  assert.equal(statusOf(answer), 408);
  assert.match(answer, /urn:weir:problem:request-timeout/);
  assert.match(answer, /connection: close/i);
});

Deno.test("thousands of half-open connections are a bounded number, and others get in when they go", async () => {
  await using door = await HttpDoor.open({ http: { connectionsMax: 50 }, connection: { connectTimeoutMs: 60_000 } });
  const half = await Promise.all(Array.from({ length: 50 }, () => RawHttp.open(door.port)));
  await Promise.all(half.map((raw) => raw.write("GET /health HTTP/1.1\r\n")));
  await until(async () => (await RawHttp.exchange(door.port, "")) === "", "one too many is closed at once");
  for (const raw of half) raw[Symbol.dispose]();
  await until(() => isAlive(door).then(() => true, () => false), "others get in");
});

Deno.test("connections of one address are counted over MQTT and HTTP", async () => {
  await using door = await HttpDoor.open({ connection: { connectionsPerAddressMax: 2 } });
  await door.mqtt.connect();
  using _raw = await RawHttp.open(door.port);
  await until(async () => await RawHttp.exchange(door.port, "") === "", "the third is closed at once");
});

Deno.test("a body that says it is too large is refused before anything of it is read", async () => {
  await using door = await HttpDoor.open({ http: { bodyBytesMax: 1_000 } });
  for (const length of ["1001", "99999999999999999999"]) {
    const answer = await RawHttp.exchange(door.port, `${JSON_HEAD}Content-Length: ${length}\r\n\r\n`);
    assert.ok([400, 413].includes(statusOf(answer)), answer);
  }
  await isAlive(door);
});

Deno.test("a chunked body is counted as it comes, and one that never ends is cut", async () => {
  await using door = await HttpDoor.open({ http: { bodyBytesMax: 1_000 } });
  const chunk = `190\r\n${"x".repeat(400)}\r\n`;
  const answer = await RawHttp.exchange(
    door.port,
    `${JSON_HEAD}Transfer-Encoding: chunked\r\n\r\n${chunk.repeat(3)}`,
    isWholeAnswer,
  );
  assert.equal(statusOf(answer), 413);
  const whole = `${JSON_HEAD}Transfer-Encoding: chunked\r\n\r\n10\r\n${'{"topic":"a/b"} '}\r\n0\r\n\r\n`;
  assert.equal(statusOf(await RawHttp.exchange(door.port, whole, isWholeAnswer)), 200);
  await isAlive(door);
});

Deno.test("a large body that is refused still gets its answer", async () => {
  await using door = await HttpDoor.open({ http: { bodyBytesMax: 1_000 } });
  const body = new Uint8Array(3 * 1024 ** 2);
  assert.equal((await door.call("/topics/a", { body, status: 413 })).type, "urn:weir:problem:body-too-large");
});

Deno.test("a message that is larger than MQTT clients may send is 413, too", async () => {
  await using door = await HttpDoor.open({ protocol: { packetBytesMax: 10_000 } });
  const body = new Uint8Array(20_000);
  assert.equal((await door.call("/topics/a", { body, status: 413 })).type, "urn:weir:problem:packet-too-large");
});

const SMUGGLED: Readonly<Record<string, string>> = {
  "two lengths": `${JSON_HEAD}Content-Length: 2\r\nContent-Length: 30\r\n\r\n{}`,
  "a length and chunks": `${JSON_HEAD}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
  "chunks twice": `${JSON_HEAD}Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n`,
  "a negative length": `${JSON_HEAD}Content-Length: -1\r\n\r\n`,
  "a hexadecimal length": `${JSON_HEAD}Content-Length: 0x10\r\n\r\n`,
  "a chunk that is no number": `${JSON_HEAD}Transfer-Encoding: chunked\r\n\r\nzz\r\n\r\n`,
  "a space before the colon": "GET /health HTTP/1.1\r\nHost : localhost\r\n\r\n",
  "a folded header": "GET /health HTTP/1.1\r\nHost: localhost\r\nX: a\r\n b\r\n\r\n",
  "a bare carriage return": "GET /health HTTP/1.1\r\nHost: localhost\r\nX: a\rY: b\r\n\r\n",
  "NUL in a header": "GET /health HTTP/1.1\r\nHost: localhost\r\nX: a\0b\r\n\r\n",
  "no host": "GET /health HTTP/1.1\r\n\r\n",
  "headers without end": `GET /health HTTP/1.1\r\nHost: localhost\r\nX: ${"a".repeat(100_000)}\r\n\r\n`,
  "a thousand headers": `GET /health HTTP/1.1\r\nHost: localhost\r\n${"X: aaaaaaaaaaaaaaaa\r\n".repeat(5_000)}\r\n`,
  "TLS on a plain port": "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
  "MQTT": "\x10\x10\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x03abc",
  "HTTP/2": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
};

for (const [name, text] of Object.entries(SMUGGLED)) {
  Deno.test(`what is not HTTP as it should be is refused or cut: ${name}`, async () => {
    await using door = await HttpDoor.open({
      http: { requestTimeoutMs: 500 },
      connection: { connectTimeoutMs: 1_000 },
    });
    const answer = await RawHttp.exchange(door.port, text, isWholeAnswer);
    assert.ok([0, 400, 408, 413, 431].includes(statusOf(answer)), answer);
    assert.equal((answer.match(/HTTP\/1\.1 /g) ?? []).length <= 1, true, "nothing was smuggled in behind");
    assert.equal((await door.call("/retained")).messages.length, 0);
    await isAlive(door);
  });
}

Deno.test("paths are taken as they are: nothing climbs, nothing is split, and what is ambiguous is refused", async () => {
  await using door = await HttpDoor.open();
  const get = (target: string, method = "GET") => {
    const text = `${method} ${target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`;
    return RawHttp.exchange(door.port, text);
  };
  for (
    const target of ["/../health", "/x/../health", "/%2e%2e/health", "//health", "/health/", "/Health", "/health%00"]
  ) {
    assert.equal(statusOf(await get(target)), 404, target);
  }
  const refused = [
    "/topics/../publish",
    "/topics/a/../b",
    "/topics/a/%2e%2E/b",
    "/topics/.",
    "/topics/%zz",
    "/topics/%ff",
  ];
  for (const target of [...refused, "/topics/a%00b", "/topics/a/+", "/topics/%23"]) {
    assert.equal(statusOf(await get(target, "POST")), 400, target);
  }
  assert.equal(statusOf(await get("/topics/", "POST")), 404);
  assert.equal(statusOf(await get(`/topics/${"a".repeat(9_000)}`, "POST")), 414);
  assert.equal(statusOf(await get("/topics/%24SYS/x", "POST")), 403);
  assert.equal((await door.call("/retained")).messages.length, 0);
});

Deno.test("line breaks in a topic, a client id or a name end up in no header", async () => {
  await using door = await HttpDoor.open();
  for (
    const path of ["/topics/a%0d%0aX-Bad:%20x?retain", "/request/a%0d%0aX-Bad:%20x?response_topic=b%0d%0aX-Bad:%20x"]
  ) {
    const answer = await door.fetch(path, { method: "POST", body: "x" });
    assert.equal(answer.headers.get("x-bad"), null);
    await answer.body?.cancel();
  }
  const answer = await door.fetch("/subscribe?filter=a&client_id=x%0d%0aX-Bad:%20y&x%0d%0a=1");
  assert.equal(answer.headers.get("x-bad"), null);
  assert.equal(answer.status, 400);
  await answer.body?.cancel();
  const split =
    `GET /health HTTP/1.1\r\nHost: localhost\r\nX-Client-Id: a\r\n\r\nGET /x HTTP/1.1\r\nHost: localhost\r\n\r\n`;
  assert.equal(statusOf(await RawHttp.exchange(door.port, split, isWholeAnswer)), 200);
});

Deno.test("events cannot be forged by what is in a message", async () => {
  await using door = await HttpDoor.open();
  const events = await door.subscribe("filter=%23&encoding=text");
  const nasty = "\n\nevent: end\ndata: {}\n\n\r\u2028\u0000";
  const json = { topic: "a\nid: 9", payload: nasty, encoding: "text", user_properties: [["\n\n", "data: x\n\n"]] };
  await door.call("/publish", { json });
  const event = await events.next();
  assert.equal(event?.event, undefined);
  assert.deepEqual([event?.data.topic, event?.data.payload], [json.topic, nasty]);
});

Deno.test("documents that are too deep, not UTF-8, compressed or something else are refused", async () => {
  await using door = await HttpDoor.open();
  const json = { "content-type": "application/json" };
  const deep = `{"topic":"a","user_properties":${"[".repeat(100_000)}${"]".repeat(100_000)}}`;
  assert.match((await door.call("/publish", { body: deep, headers: json, status: 400 })).detail, /deeper than 8/);
  assert.match((await door.call("/publish", { body: "[".repeat(50), headers: json, status: 400 })).detail, /deeper/);
  const brackets = { topic: "a", payload: "[".repeat(50) + '\\"{', encoding: "text" };
  await door.call("/publish", { json: brackets });
  const illFormed = Uint8Array.of(0x22, 0xff, 0x22);
  assert.match((await door.call("/publish", { body: illFormed, headers: json, status: 400 })).detail, /UTF-8/);
  for (const body of ["", "{", "{'topic':'a'}", '{"topic":"a"}x', "\ufeff{}"]) {
    await door.call("/publish", { body, method: "POST", headers: json, status: 400 });
  }
  const gzip = { ...json, "content-encoding": "gzip" };
  await door.call("/publish", { body: "x", headers: gzip, status: 415 });
  await door.call("/topics/a", { body: "x", headers: { "content-encoding": "deflate" }, status: 415 });
  for (
    const type of [
      "text/plain",
      "application/json; charset=utf-16",
      "application/jsonx",
      "multipart/form-data; boundary=x",
    ]
  ) {
    await door.call("/publish", { body: '{"topic":"a"}', headers: { "content-type": type }, status: 415 });
  }
  for (const type of ["application/json; charset=UTF-8", "Application/JSON", "application/cloudevents+json"]) {
    await door.call("/publish", { body: '{"topic":"a"}', headers: { "content-type": type } });
  }
});

Deno.test("keys of the language's own objects are unknown keys", async () => {
  await using door = await HttpDoor.open();
  for (const key of ["__proto__", "constructor", "toString", "hasOwnProperty"]) {
    const body = `{"topic":"a","${key}":{"retain":true}}`;
    const problem = await door.call("/publish", { body, headers: { "content-type": "application/json" }, status: 400 });
    assert.match(problem.detail, /unknown here/);
    await door.call(`/topics/a?${key}=1`, { body: "x", status: 400 });
    await door.call(`/subscribe?filter=a&retained=${key}`, { status: 400 });
  }
  assert.equal(({} as { retain?: boolean }).retain, undefined);
});

Deno.test("a reader that takes nothing costs no more than what may wait for it", async () => {
  await using door = await HttpDoor.open();
  using raw = await RawHttp.open(door.port);
  await raw.write("GET /subscribe?filter=big HTTP/1.1\r\nHost: localhost\r\n\r\n");
  await raw.read((answer) => answer.includes("retry"));
  const payload = new Uint8Array(64 * 1024);
  await door.broker.publish({ topic: "big", payload });
  let dropped = 0;
  door.broker.watch((happening) => {
    if (happening.kind === "message-dropped" && happening.cause === "client-congested") dropped++;
  });
  for (let i = 0; i < 2_000; i++) await door.broker.publish({ topic: "big", payload }); // 125 MiB
  assert.ok(dropped > 1_800, `${dropped}: what is between us and the reader is a few MiB`);
  await isAlive(door);
});

Deno.test("a reader that takes nothing for too long is cut, and its subscription goes with it", async () => {
  await using door = await HttpDoor.open({ connection: { writeTimeoutMs: 500 } });
  using raw = await RawHttp.open(door.port);
  await raw.write("GET /subscribe?filter=big HTTP/1.1\r\nHost: localhost\r\n\r\n");
  await raw.read((answer) => answer.includes("retry"));
  const client = await door.mqtt.connect();
  const payload = new Uint8Array(64 * 1024);
  await until(async () => await client.publish("big", payload, { qos: 1 }) === 0x10, "the subscription is gone");
  await isAlive(door);
});

Deno.test("an answer that nobody takes is cut as well", async () => {
  await using door = await HttpDoor.open({ connection: { writeTimeoutMs: 500 }, http: { connectionsMax: 1 } });
  for (let i = 0; i < 60; i++) {
    await door.broker.publish({ topic: `big/${i}`, payload: new Uint8Array(256 * 1024), retain: true });
  }
  using raw = await RawHttp.open(door.port);
  await raw.write("GET /retained?filter=big/%23 HTTP/1.1\r\nHost: localhost\r\n\r\n"); // 20 MiB
  await until(() => isAlive(door).then(() => true, () => false), "its place is free");
});

Deno.test("a reader that is slow gets its whole answer, however long that takes", async () => {
  await using door = await HttpDoor.open({ connection: { writeTimeoutMs: 1_000 } });
  for (let i = 0; i < 60; i++) {
    await door.broker.publish({ topic: `big/${i}`, payload: new Uint8Array(256 * 1024), retain: true });
  }
  const answer = await door.fetch("/retained?filter=big/%23"); // 20 MiB
  let bytes = 0;
  const began = performance.now();
  for await (const part of answer.body!) {
    bytes += part.length;
    const due = began + bytes / 5_000; // 5 MB/s
    if (performance.now() < due) await new Promise((resolve) => setTimeout(resolve, due - performance.now()));
  }
  assert.equal(bytes, Number(answer.headers.get("content-length")));
});

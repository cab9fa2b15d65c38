/** What RFC 9110 and RFC 9112 ask of a server, spoken by hand. */
import assert from "node:assert/strict";
import { HttpDoor } from "./door.ts";
import { isWholeAnswer, RawHttp, statusOf } from "./raw.ts";

const HOST = "Host: localhost\r\n";
const PUBLISH = `POST /topics/a HTTP/1.1\r\n${HOST}`;
const GET = `GET /health HTTP/1.1\r\n${HOST}\r\n`;

/** The status of each answer in what came on one connection, interim ones among them. */
function statusesOf(answers: string): number[] {
  return [...answers.matchAll(/HTTP\/1\.1 (\d{3})/g)].map(([, status]) => Number(status));
}

/** Everything that is answered until the connection ends. */
async function talk(door: HttpDoor, text: string): Promise<string> {
  return await RawHttp.exchange(door.port, text);
}

Deno.test("HTTP: a connection serves request after request, until it is told to close", async () => {
  await using door = await HttpDoor.open();
  using raw = await RawHttp.open(door.port);
  for (let i = 0; i < 5; i++) {
    await raw.write(GET);
    const answer = await raw.read(isWholeAnswer);
    assert.deepEqual([statusOf(answer), /\r\nDate: /i.test(answer)], [200, true]);
  }
  await raw.write(GET.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n"));
  assert.match(await raw.read(), /connection: close/i);
});

Deno.test("HTTP/1.0 is answered and the connection ends, with a Host or without", async () => {
  await using door = await HttpDoor.open();
  const answer = await talk(door, `GET /health HTTP/1.0\r\n${HOST}\r\n`);
  assert.deepEqual([statusOf(answer), answer.endsWith('{"status":"healthy"}')], [200, true]);
  assert.ok(
    [200, 421].includes(statusOf(await talk(door, "GET /health HTTP/1.0\r\n\r\n"))),
    "no name is no name of ours",
  );
});

Deno.test("HTTP: requests that come at once are carried out and answered in their order (RFC 9112 section 9.3.2)", async () => {
  await using door = await HttpDoor.open();
  const events = await door.subscribe("filter=%23&encoding=text");
  const post = (topic: string) => `POST /topics/${topic} HTTP/1.1\r\n${HOST}Content-Length: 1\r\n\r\n${topic}`;
  const wait = `GET /poll?filter=%23&wait=1 HTTP/1.1\r\n${HOST}\r\n`;
  const last = GET.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n");
  const answers = await talk(door, [wait, post("a"), `GET /nothing HTTP/1.1\r\n${HOST}\r\n`, post("b"), last].join(""));
  assert.deepEqual(statusesOf(answers), [200, 200, 404, 200, 200]);
  assert.ok(answers.indexOf('"messages":[]') < answers.indexOf('{"status":"ok"}'));
  assert.deepEqual([await events.payload(), await events.payload()], ["a", "b"]);
});

Deno.test("HTTP: of what comes at once on one connection nothing is begun that nobody waits for yet, and not too much is taken", async () => {
  await using door = await HttpDoor.open({ http: { subscriptionsMax: 2 } });
  const poll = `GET /poll?filter=a&wait=60 HTTP/1.1\r\n${HOST}\r\n`;
  using several = await RawHttp.open(door.port);
  await several.write(poll.repeat(100));
  const other = await door.fetch("/poll?filter=b&wait=0");
  assert.deepEqual([other.status, (await other.json()).messages], [200, []]);
  const refused: string[] = [];
  door.broker.watch((each) => void (each.kind === "connection-refused" && refused.push(each.reason)));
  assert.equal(await talk(door, poll.repeat(1_000)), "", "it is cut");
  assert.deepEqual(refused, ["100 requests were sent without waiting for an answer"]);
});

Deno.test("HTTP: of several that came at once each is answered when the broker stops", async () => {
  await using door = await HttpDoor.open();
  const lingering = await door.mqtt.connect(); // it takes the broker a while to give up on it
  using raw = await RawHttp.open(door.port);
  const poll = (wait: number) => `GET /poll?filter=${wait}&wait=${wait} HTTP/1.1\r\n${HOST}\r\n`;
  await raw.write(`${GET}${poll(20)}${poll(21)}`);
  await raw.read((answer) => answer.includes("healthy"));
  const stopped = door.broker.stop();
  const answers = await raw.read();
  assert.equal(statusesOf(answers).length, 2, answers);
  lingering.close();
  await stopped;
});

Deno.test("HTTP: who asks without end and reads nothing is not served without end", async () => {
  await using door = await HttpDoor.open({ connection: { writeTimeoutMs: 500 } });
  const subscribed = door.broker.subscribe("a").getReader();
  using raw = await RawHttp.open(door.port);
  const request = `${PUBLISH}Content-Length: 1\r\n\r\nx`;
  const block = `GET /openapi.json HTTP/1.1\r\n${HOST}\r\n`.repeat(500) + request;
  await assert.rejects(async () => { // its TCP window closes, and then it is cut
    for (let i = 0; i < 2_000; i++) await raw.write(block);
  });
  await subscribed.cancel();
  assert.equal((await door.fetch("/health")).status, 200);
});

Deno.test("HTTP: who waits to be told to go on is told when its body is wanted, and not before", async () => {
  await using door = await HttpDoor.open({ http: { bodyBytesMax: 1_000 } });
  using raw = await RawHttp.open(door.port);
  await raw.write(`${PUBLISH}Content-Length: 2\r\nExpect: 100-continue\r\n\r\n`);
  assert.equal(await raw.read((answer) => answer.endsWith("\r\n\r\n")), "HTTP/1.1 100 Continue\r\n\r\n");
  await raw.write("hi");
  assert.equal(statusOf(await raw.read(isWholeAnswer)), 200);
  await raw.write(GET);
  assert.equal(statusOf(await raw.read(isWholeAnswer)), 200, "the connection goes on");
  const expecting = "Expect: 100-continue\r\n\r\n";
  const tooLarge = await talk(door, `${PUBLISH}Content-Length: 2000\r\n${expecting}`);
  assert.deepEqual([statusesOf(tooLarge), /connection: close/i.test(tooLarge)], [[413], true]);
  const nowhere = await talk(door, `POST /nothing HTTP/1.1\r\n${HOST}Content-Length: 2\r\n${expecting}`);
  assert.deepEqual([statusesOf(nowhere), /connection: close/i.test(nowhere)], [[404], true]);
  const other = `${PUBLISH}Content-Length: 2\r\nExpect: the-unexpected\r\nConnection: close\r\n\r\nhi`;
  assert.deepEqual(statusesOf(await talk(door, other)), [417]);
});

Deno.test("HTTP: a chunked body comes in pieces, with extensions and trailers that nobody reads", async () => {
  await using door = await HttpDoor.open();
  const events = await door.subscribe("filter=a&encoding=text");
  const chunks = "1;name=value\r\nh\r\n0001\r\ni\r\n0\r\nX-Trailer: y\r\nHost: other\r\n\r\n";
  using raw = await RawHttp.open(door.port);
  for (const character of `${PUBLISH}Transfer-Encoding: Chunked\r\n\r\n${chunks}`) await raw.write(character);
  assert.equal(statusOf(await raw.read(isWholeAnswer)), 200);
  assert.equal(await events.payload(), "hi");
  for (const coding of ["gzip, chunked", "identity, chunked"]) {
    const answer = await talk(door, `${PUBLISH}Transfer-Encoding: ${coding}\r\n\r\n${chunks}`);
    assert.equal(statusOf(answer), 501, coding);
  }
});

Deno.test("HTTP: a target may be a whole URI, whose host counts; a star asks for nothing but an answer", async () => {
  await using door = await HttpDoor.open();
  const get = (target: string, { host = "localhost", method = "GET" } = {}) => {
    return talk(door, `${method} ${target} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
  };
  assert.equal(statusOf(await get(`http://localhost:${door.port}/health?`)), 200);
  assert.equal(statusOf(await get("HTTP://127.0.0.1/health", { host: "evil.example" })), 200);
  assert.equal(statusOf(await get("http://evil.example/health")), 421);
  assert.equal(statusOf(await get("http://localhost")), 404);
  assert.equal(statusOf(await get("*", { method: "OPTIONS" })), 204);
  assert.equal(statusOf(await get("*")), 404);
  for (const target of ["ftp://localhost/health", "health", "localhost:80"]) {
    assert.ok([400, 404].includes(statusOf(await get(target))), target);
  }
});

Deno.test("HTTP: two hosts are none, and headers beyond 16 KiB are told to be too many", async () => {
  await using door = await HttpDoor.open();
  assert.equal(statusOf(await talk(door, `GET /health HTTP/1.1\r\n${HOST}${HOST}Connection: close\r\n\r\n`)), 400);
  const headers = (bytes: number) =>
    `GET /health HTTP/1.1\r\n${HOST}X: ${"a".repeat(bytes)}\r\nConnection: close\r\n\r\n`;
  assert.equal(statusOf(await talk(door, headers(15_000))), 200);
  assert.equal(statusOf(await talk(door, headers(17_000))), 431);
  const many = `X: ${"a".repeat(12)}\r\n`.repeat(2_000);
  assert.equal(statusOf(await talk(door, `GET /health HTTP/1.1\r\n${HOST}${many}\r\n`)), 431);
});

Deno.test("HTTP: an offer to speak something else is left alone", async () => {
  await using door = await HttpDoor.open();
  for (const protocol of ["websocket", "h2c", "TLS/1.2"]) {
    const offer = `Upgrade: ${protocol}\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n`;
    using raw = await RawHttp.open(door.port);
    await raw.write(`GET /health HTTP/1.1\r\n${HOST}${offer}Sec-WebSocket-Version: 13\r\n\r\n`);
    assert.equal(statusOf(await raw.read(isWholeAnswer)), 200, protocol);
  }
});

Deno.test("HTTP: what stays open outlives the deadlines of a request; a request behind it has them again", async () => {
  await using door = await HttpDoor.open({
    connection: { connectTimeoutMs: 500 },
    http: { requestTimeoutMs: 100, heartbeatMs: 200 },
  });
  const events = await door.subscribe("filter=a");
  using raw = await RawHttp.open(door.port);
  await raw.write(GET);
  assert.equal(statusOf(await raw.read(isWholeAnswer)), 200);
  for (let i = 0; i < 10; i++) assert.deepEqual(await events.next(), { comment: "" }); // two seconds
  await raw.write(GET);
  assert.equal(statusOf(await raw.read(isWholeAnswer)), 200, "its connection was idle for as long");
  await raw.write("GET /health HTTP/1.1\r\n");
  const dripping = setInterval(() => raw.write("X: y\r\n").catch(() => {}), 100);
  try {
    assert.equal(statusOf(await raw.read()), 408);
  } finally {
    clearInterval(dripping);
  }
  await events.cancel();
});

/** Publishing over HTTP: what arrives by MQTT, and what is refused with which status. */
import assert from "node:assert/strict";
import { HttpDoor } from "./door.ts";

Deno.test("POST /publish as it always was: base64 in, status ok out", async () => {
  await using door = await HttpDoor.open();
  const client = await door.mqtt.connect();
  await client.subscribe("a/#", { qos: 2 });
  const response = await door.fetch("/publish", {
    json: { topic: "a/b", payload: btoa("hello"), qos: 1, retain: true },
  });
  assert.equal(response.headers.get("x-outcome"), "success");
  assert.equal(await response.text(), '{"status":"ok"}');
  const packet = await client.expect("publish");
  assert.deepEqual([packet.topic, packet.payload.toString(), packet.qos], ["a/b", "hello", 1]);
  const other = await door.mqtt.connect();
  await other.subscribe("a/b");
  assert.equal((await other.expect("publish")).retain, true);
});

Deno.test("every property goes through, user properties in order with duplicates", async () => {
  await using door = await HttpDoor.open();
  const events = await door.subscribe("filter=p&encoding=text");
  await door.call("/publish", {
    json: {
      topic: "p",
      payload: "grüße",
      encoding: "text",
      expiry_seconds: 60,
      content_type: "text/plain",
      response_topic: "r",
      correlation_data: btoa("\x00\x01"),
      user_properties: [["k", "1"], ["j", ""], ["k", "2"]],
    },
  });
  assert.deepEqual((await events.next())?.data, {
    topic: "p",
    payload: "grüße",
    encoding: "text",
    qos: 0,
    retain: false,
    expiry_seconds: 60,
    payload_is_utf8: true,
    content_type: "text/plain",
    response_topic: "r",
    correlation_data: btoa("\x00\x01"),
    user_properties: [["k", "1"], ["j", ""], ["k", "2"]],
  });
});

Deno.test("a raw body with the rest in the query, by POST and by PUT", async () => {
  await using door = await HttpDoor.open();
  const events = await door.subscribe("filter=%23&qos=2");
  const query =
    "qos=2&retain&expiry_seconds=5&response_topic=r%2Fs&correlation_data=AAE&user_property=a=1&user_property=a=2=3";
  for (const method of ["POST", "PUT"]) {
    const headers = { "content-type": "application/x" };
    await door.call(`/topics//lead%2Fing?${query}`, { method, headers, body: new Uint8Array([0, 255]) });
    assert.deepEqual((await events.next())?.data, {
      topic: "/lead/ing",
      payload: "AP8=",
      encoding: "base64",
      qos: 2,
      retain: true,
      expiry_seconds: 5,
      content_type: "application/x",
      response_topic: "r/s",
      correlation_data: "AAE=",
      user_properties: [["a", "1"], ["a", "2=3"]],
    });
  }
});

Deno.test("what tools say of a body by themselves is no content type of the message", async () => {
  await using door = await HttpDoor.open();
  const events = await door.subscribe("filter=t");
  await door.call("/topics/t", { body: "x", headers: { "content-type": "application/x-www-form-urlencoded" } });
  assert.equal((await events.next())?.data.content_type, undefined);
});

Deno.test("a batch is published whole, and says of each message whom it reached", async () => {
  await using door = await HttpDoor.open();
  const client = await door.mqtt.connect();
  await client.subscribe("b/#", { qos: 1 });
  const batch = ["b/1", "elsewhere", "b/2"].map((topic) => ({ topic, payload: "x", encoding: "text", qos: 1 }));
  assert.deepEqual(await door.call("/publish/batch", { json: batch }), {
    results: [
      { status: "ok", outcome: "success" },
      { status: "ok", outcome: "no-matching-subscribers" },
      { status: "ok", outcome: "success" },
    ],
  });
  assert.equal((await client.expect("publish")).topic, "b/1");
  assert.equal((await client.expect("publish")).topic, "b/2");
});

Deno.test("a batch with something wrong in it is not published at all, and every reason is told", async () => {
  await using door = await HttpDoor.open({
    authenticator: {
      authenticate: () => ({
        username: undefined,
        policy: { mayPublish: (_, topic) => topic !== "secret", maySubscribe: () => true },
      }),
    },
  });
  const json = [{ topic: "ok" }, { topic: "secret" }, { topic: "a/#" }, { topic: "x", qos: 3 }];
  const problem = await door.call("/publish/batch", { json, status: 403 });
  assert.equal(problem.type, "urn:weir:problem:not-authorized");
  assert.deepEqual(
    problem.errors.map(({ index, cause }: { index: number; cause: string }) => [index, cause]),
    [[1, "not-authorized"], [2, "topic-name-invalid"], [3, "bad-request"]],
  );
  assert.equal((await door.call("/retained")).messages.length, 0);
  await door.call("/publish/batch", { json: {}, status: 400 });
  await door.call("/publish/batch", { json: Array.from({ length: 1_001 }, () => ({ topic: "a" })), status: 400 });
  assert.deepEqual(await door.call("/publish/batch", { json: [] }), { results: [] });
});

const REFUSED: readonly [unknown, RegExp][] = [
  [[], /not an object/],
  ["x", /not an object/],
  [{}, /topic: it is missing/],
  [{ topic: 1 }, /topic: it is not a string/],
  [{ topic: "" }, /it is empty/],
  [{ topic: "a/+" }, /cannot contain/],
  [{ topic: "a\u0000" }, /U\+0000/],
  [{ topic: "a\ud800" }, /surrogate/],
  [{ topic: "a", payload: "%" }, /payload: it is not base64; "encoding": "text" takes it as it is/],
  [{ topic: "a", payload: "%", payload_encoding: "plain" }, /"payload_encoding": it is unknown here/],
  [{ topic: "a", payload: 1 }, /payload: it is not a string/],
  [{ topic: "a", payload: null }, /payload: it is not a string/],
  [{ topic: "a", encoding: "hex" }, /it is base64 or text/],
  [{ topic: "a", payload: "\udc00", encoding: "text" }, /surrogate/],
  [{ topic: "a", qos: 3 }, /QoS 3/],
  [{ topic: "a", qos: "1" }, /qos: it is not a number/],
  [{ topic: "a", retain: 1 }, /retain: it is not a boolean/],
  [{ topic: "a", expiry_seconds: -1 }, /expiry of -1/],
  [{ topic: "a", expiry_seconds: 1.5 }, /expiry of 1.5/],
  [{ topic: "a", response_topic: "#" }, /response topic/],
  [{ topic: "a", content_type: "a\u0000" }, /U\+0000/],
  [{ topic: "a", content_type: "x".repeat(70_000) }, /65535/],
  [{ topic: "a", user_properties: { a: "b" } }, /pairs of texts/],
  [{ topic: "a", user_properties: [["a"]] }, /pairs of texts/],
  [{ topic: "a", user_properties: [["a", 1]] }, /pairs of texts/],
  [{ topic: "a", quality: 1 }, /"quality": it is unknown/],
  [JSON.parse('{"topic":"a","__proto__":{"qos":2}}'), /"__proto__": it is unknown/],
  [{ topic: "a", constructor: {} }, /"constructor": it is unknown/],
];

Deno.test("a document that is not a message is refused with the reason", async () => {
  await using door = await HttpDoor.open();
  for (const [json, detail] of REFUSED) {
    const problem = await door.call("/publish", { json, status: 400 });
    assert.match(problem.detail, detail);
    assert.match(problem.type, /^urn:weir:problem:/);
    assert.deepEqual([problem.title, problem.status], ["Bad Request", 400]);
  }
});

Deno.test("a query that is not understood is refused with the reason", async () => {
  await using door = await HttpDoor.open();
  const queries = ["qos=3", "qos=1&qos=1", "retain=yes", "expiry_seconds=x", "expiry_seconds=4294967296", "unknown=1"];
  for (const query of [...queries, "user_property=x", "correlation_data=%25", "a=%zz", "response_topic=%23"]) {
    const problem = await door.call(`/topics/a?${query}`, { body: "x", status: 400 });
    assert.equal(problem.type, "urn:weir:problem:bad-request", query);
  }
});

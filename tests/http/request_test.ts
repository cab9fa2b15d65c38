/** Request and response over one call, and retained messages. */
import assert from "node:assert/strict";
import { ALLOW_ALL } from "../../src/auth/authenticator.ts";
import type { TestClient } from "../support/client.ts";
import { HttpDoor } from "./door.ts";

/** Answers one request, with or without the correlation data that came along. */
async function reply(client: TestClient, payload: string, correlates = true): Promise<string> {
  const packet = await client.expect("publish");
  const { responseTopic, correlationData } = packet.properties!;
  await client.publish(responseTopic!, payload, { properties: correlates ? { correlationData } : {} });
  return packet.payload.toString();
}

Deno.test("a request waits for its reply", async () => {
  await using door = await HttpDoor.open();
  const service = await door.mqtt.connect();
  await service.subscribe("svc/+");
  for (const correlates of [true, false]) {
    const headers = { "x-client-id": "asker" };
    const answer = door.call("/request/svc/add?encoding=text&timeout=20", { body: "1+1", headers });
    assert.equal(await reply(service, "2", correlates), "1+1");
    const { topic, payload } = await answer;
    assert.equal(payload, "2");
    assert.match(topic, /^reply\/asker\/[-0-9a-f]{36}$/);
  }
});

Deno.test("on a reply topic of the caller's, only its own reply counts", async () => {
  await using door = await HttpDoor.open();
  const service = await door.mqtt.connect();
  await service.subscribe("svc");
  const query = "response_topic=replies&correlation_data=AQID&encoding=text";
  const answer = door.call(`/request/svc?${query}`, { body: "q" });
  const packet = await service.expect("publish");
  assert.deepEqual([...packet.properties!.correlationData!], [1, 2, 3]);
  await service.publish("replies", "somebody's", { properties: {} });
  await service.publish("replies", "somebody else's", { properties: { correlationData: Buffer.from("x") } });
  await service.publish("replies", "mine", { properties: { correlationData: Buffer.from([1, 2, 3]) } });
  assert.equal((await answer).payload, "mine");
});

Deno.test("no reply in time is 504, and nobody to ask is 503", async () => {
  await using door = await HttpDoor.open();
  assert.equal(
    (await door.call("/request/svc", { body: "q", status: 503 })).type,
    "urn:weir:problem:no-matching-subscribers",
  );
  const service = await door.mqtt.connect();
  await service.subscribe("svc");
  const problem = await door.call("/request/svc?timeout=1", { body: "q", status: 504 });
  assert.equal(problem.type, "urn:weir:problem:no-reply");
  await door.call("/request/svc?response_topic=a/%23", { body: "q", status: 400 });
  await door.call("/request/svc?timeout=0", { body: "q", status: 400 });
});

Deno.test("retained messages are read one by one, listed in parts and cleared", async () => {
  await using door = await HttpDoor.open();
  for (const topic of ["r/c", "r/a", "r/b", "s"]) {
    await door.call(`/topics/${topic}?retain&qos=1`, { body: topic, headers: { "content-type": "text/plain" } });
  }
  assert.deepEqual(await door.call("/retained/r/a?encoding=text"), {
    topic: "r/a",
    payload: "r/a",
    encoding: "text",
    qos: 1,
    retain: true,
    content_type: "text/plain",
  });
  const topics = ({ messages }: { messages: { topic: string }[] }) => messages.map(({ topic }) => topic);
  const first = await door.call("/retained?filter=r/+&limit=2");
  assert.deepEqual([topics(first), first.next], [["r/a", "r/b"], "r/b"]);
  const second = await door.call("/retained?filter=r/+&limit=2&after=r%2Fb");
  assert.deepEqual([topics(second), second.next], [["r/c"], undefined]);
  assert.deepEqual(topics(await door.call("/retained")), ["r/a", "r/b", "r/c", "s"]);
  await door.call("/retained/r/a", { method: "DELETE", status: 204 });
  await door.call("/retained/r/a", { method: "DELETE", status: 404 });
  await door.call("/retained/r/a", { status: 404 });
  for (
    const path of [
      "/retained/r/%23",
      "/retained/r/+",
      "/retained?filter=a/%23/b",
      "/retained?limit=0",
      "/retained?limit=1001",
    ]
  ) {
    await door.call(path, { status: 400 });
  }
  await door.call("/retained/r/%23", { method: "DELETE", status: 400 });
});

Deno.test("a list of retained messages ends when it weighs a lot, and goes on behind", async () => {
  await using door = await HttpDoor.open();
  const payload = "x".repeat(1_000_000);
  for (let i = 0; i < 12; i++) await door.broker.publish({ topic: `large/${i + 10}`, payload, retain: true });
  const first = await door.call("/retained?filter=large/%2B&limit=100");
  assert.deepEqual([first.messages.length, first.next], [9, "large/18"]);
  const second = await door.call(`/retained?filter=large/%2B&limit=100&after=${first.next}`);
  assert.deepEqual([second.messages.length, second.next], [3, undefined]);
});

Deno.test("who waits for a reply and is let in no longer is told so", async () => {
  let holds = true;
  const authenticator = { authenticate: () => ({ username: "ann", policy: ALLOW_ALL, holds: () => holds }) };
  await using door = await HttpDoor.open({ authenticator });
  const service = await door.mqtt.connect();
  await service.subscribe("svc/+");
  const answer = door.call("/request/svc/add?timeout=20", { body: "1+1", status: 403 });
  await service.expect("publish");
  holds = false;
  door.broker.endRevoked();
  assert.equal((await answer).type, "urn:weir:problem:not-authorized");
});

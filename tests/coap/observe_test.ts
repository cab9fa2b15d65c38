import assert from "node:assert/strict";
import {
  type CoapMessage,
  Code,
  MessageType,
  OptionNumber,
  uintOf,
  uintOption,
} from "../../src/bridge/coap/message.ts";
import { DoorScene, type DoorSceneOptions, NO_MORE, OBSERVE, textOf, valueOf } from "./door_scene.ts";

function test(name: string, play: (scene: DoorScene) => Promise<void>, options: DoorSceneOptions = {}): void {
  Deno.test(`CoAP observe: ${name}`, async () => {
    await using scene = await DoorScene.start(options);
    await play(scene);
    assert.deepEqual(scene.errors, []);
  });
}

const sequenceOf = (message: CoapMessage) => uintOf(valueOf(message, OptionNumber.observe)!);
const watch = (path: string) => ({ code: Code.get, path, options: [OBSERVE] });

function topicOf({ options }: CoapMessage): string {
  const parts = options.filter(({ number }) => number === OptionNumber.locationPath);
  return parts.map(({ value }) => new TextDecoder().decode(value)).join("/");
}

test("the retained message comes first, then every other one, confirmably and with growing numbers", async (scene) => {
  await scene.broker.publish({ topic: "a", payload: "0", retain: true });
  const { responses } = scene.send(scene.client(1), watch("/ps/a"));
  await scene.pass(100);
  for (const payload of ["1", "2", "3"]) await scene.broker.publish({ topic: "a", payload });
  await scene.pass(1_000);
  assert.deepEqual(responses.map(textOf), ["0", "1", "2", "3"]);
  assert.deepEqual(responses.slice(1).map(({ type }) => type), [0, 0, 0]);
  for (const [index, response] of responses.slice(1).entries()) {
    assert.ok(sequenceOf(response) > sequenceOf(responses[index]));
  }
});

test("a topic with nothing retained is observed with an empty answer", async (scene) => {
  const { responses } = scene.send(scene.client(1), watch("/ps/a"));
  await scene.pass(100);
  assert.deepEqual(responses.map(({ code, payload }) => [code, payload.length]), [[Code.content, 0]]);
  assert.notEqual(valueOf(responses[0], OptionNumber.observe), undefined);
});

test("wildcards reach many topics, each named, and what cannot be named is left out", async (scene) => {
  await scene.broker.publish({ topic: "h/kept", payload: "0", retain: true });
  const { responses } = scene.send(scene.client(1), watch("/ps/h/%23"));
  await scene.pass(100);
  await scene.broker.publish({ topic: "h/a/b", payload: "1" });
  await scene.broker.publish({ topic: `h/${"x".repeat(256)}`, payload: "2" });
  await scene.broker.publish({ topic: `h${"/0123456789".repeat(60)}`, payload: "3" });
  await scene.broker.publish({ topic: "h", payload: "4" });
  await scene.pass(1_000);
  assert.deepEqual(responses.slice(1).map((each) => [topicOf(each), textOf(each)]), [
    ["ps/h/kept", "0"],
    ["ps/h/a/b", "1"],
    ["ps/h", "4"],
  ]);
});

test("GET with Observe 1 and the same token ends it", async (scene) => {
  const client = scene.client(1);
  const { token } = scene.send(client, watch("/ps/a"));
  await scene.pass(100);
  assert.equal(scene.door.statistics.observations, 1);
  const other = scene.send(client, { code: Code.get, path: "/ps/a", options: [NO_MORE] });
  await scene.pass(100);
  assert.equal(other.responses[0].code, Code.notFound);
  assert.equal(scene.door.statistics.observations, 1, "another token ends nothing");
  client.again(token, { code: Code.get, path: "/ps/a", options: [NO_MORE] });
  await scene.pass(100);
  assert.equal(scene.door.statistics.observations, 0);
});

test("the same token again is the same observation, and goes on counting", async (scene) => {
  const client = scene.client(1);
  const pending = scene.send(client, watch("/ps/a"));
  await scene.pass(100);
  client.again(pending.token, watch("/ps/b"));
  await scene.pass(100);
  assert.equal(scene.door.statistics.observations, 1);
  await scene.broker.publish({ topic: "a", payload: "a" });
  await scene.broker.publish({ topic: "b", payload: "b" });
  await scene.pass(100);
  const [first, second, third] = pending.responses;
  assert.equal(textOf(third), "b");
  assert.ok(sequenceOf(first) < sequenceOf(second) && sequenceOf(second) < sequenceOf(third));
});

test("a reset ends it", async (scene) => {
  const client = scene.client(1);
  const { token } = scene.send(client, watch("/ps/a"));
  await scene.pass(100);
  client.pending.delete(token.toHex()); // the client has forgotten it
  await scene.broker.publish({ topic: "a", payload: "1" });
  await scene.pass(100);
  assert.equal(scene.door.statistics.observations, 0);
});

test("silence ends all of a client, and the message is not lost for others", async (scene) => {
  const [client, other] = [scene.client(1), scene.client(2)];
  for (const path of ["/ps/a", "/ps/b"]) scene.send(client, watch(path));
  const { responses } = scene.send(other, watch("/ps/a"));
  await scene.pass(100);
  assert.equal(scene.door.statistics.observations, 3);
  client.acknowledges = client.answersPings = false;
  await scene.broker.publish({ topic: "a", payload: "1" });
  await scene.pass(50_000);
  assert.equal(scene.door.statistics.observations, 3, "it is still tried");
  await scene.pass(50_000);
  assert.equal(scene.door.statistics.observations, 1);
  assert.equal(textOf(responses.at(-1)!), "1");
});

test("who never proves its address observes nothing for long", async (scene) => {
  const client = scene.client(1);
  client.answersPings = client.acknowledges = false;
  scene.send(client, watch("/ps/a"));
  await scene.pass(1_000);
  assert.equal(scene.door.statistics.observations, 1);
  await scene.pass(100_000);
  assert.equal(scene.door.statistics.observations, 0);
});

test("who was silent for half an hour is asked, and stays when it answers", async (scene) => {
  const [here, gone] = [scene.client(1), scene.client(2)];
  for (const client of [here, gone]) scene.send(client, watch("/ps/a"));
  await scene.pass(1_000);
  gone.answersPings = false;
  await scene.pass(60 * 60_000);
  assert.equal(scene.door.statistics.observations, 1);
});

test("the next message waits until a large one is fetched, or nobody fetches it", async (scene) => {
  const client = scene.client(1);
  const { responses } = scene.send(client, watch("/ps/a"));
  await scene.pass(100);
  const large = Array.from({ length: 300 }, (_, index) => `${index}`.padStart(8)).join("");
  await scene.broker.publish({ topic: "a", payload: large });
  await scene.broker.publish({ topic: "a", payload: "next" });
  await scene.pass(1_000);
  assert.equal(responses.length, 2);
  let whole = textOf(responses[1]);
  for (const number of [1, 2]) {
    const options = [uintOption(OptionNumber.block2, number * 16 + 6)];
    const block = await scene.ask(client, { code: Code.get, path: "/ps/a", options });
    assert.deepEqual(valueOf(block, OptionNumber.etag), valueOf(responses[1], OptionNumber.etag));
    whole += textOf(block);
  }
  assert.equal(whole, large);
  await scene.pass(1_000);
  assert.equal(textOf(responses[2]), "next");

  await scene.broker.publish({ topic: "a", payload: large });
  await scene.broker.publish({ topic: "a", payload: "last" });
  await scene.pass(9_000);
  assert.equal(responses.length, 4);
  await scene.pass(2_000);
  assert.equal(textOf(responses[4]), "last");
});

test("a message in another format than the one asked for ends it with 4.06", async (scene) => {
  const accept = uintOption(OptionNumber.accept, 50);
  const { responses } = scene.send(scene.client(1), { code: Code.get, path: "/ps/a", options: [OBSERVE, accept] });
  await scene.pass(100);
  await scene.broker.publish({ topic: "a", payload: "1", contentType: "application/json" });
  await scene.broker.publish({ topic: "a", payload: "2", contentType: "text/plain" });
  await scene.pass(1_000);
  assert.deepEqual(responses.slice(1).map(({ code, type }) => [code, type]), [
    [Code.content, MessageType.confirmable],
    [Code.notAcceptable, MessageType.nonConfirmable],
  ]);
  assert.equal(scene.door.statistics.observations, 0);
});

test("beyond the limit a topic is read, and wildcards are refused", async (scene) => {
  const client = scene.client(1);
  await scene.broker.publish({ topic: "c", payload: "c", retain: true });
  for (const path of ["/ps/a", "/ps/b"]) scene.send(client, watch(path));
  await scene.pass(100);
  const read = await scene.ask(client, watch("/ps/c"));
  assert.deepEqual([textOf(read), valueOf(read, OptionNumber.observe)], ["c", undefined]);
  assert.equal((await scene.ask(client, watch("/ps/%2B"))).code, Code.serviceUnavailable);
  assert.equal(scene.door.statistics.observations, 2);
}, { limits: { observationsMax: 2 } });

test("an observer that is behind loses QoS 0 and no QoS 1", async (scene) => {
  const client = scene.client(1);
  const [zero, one] = ["/ps/zero", "/ps/one?qos=1"].map((path) => scene.send(client, watch(path)));
  await scene.pass(100);
  for (let index = 0; index < 200; index++) {
    await scene.broker.publish({ topic: "zero", payload: `${index}`, qos: 1 });
    await scene.broker.publish({ topic: "one", payload: `${index}`, qos: 1 });
  }
  for (let count = 0; count < 100 && one.responses.length <= 200; count++) await scene.pass(200);
  assert.ok(zero.responses.length < 150, `${zero.responses.length}`);
  assert.deepEqual(one.responses.slice(1).map(textOf), Array.from({ length: 200 }, (_, index) => `${index}`));
});

/** End to end with libcoap, over a real socket. */
import assert from "node:assert/strict";
import { type ListenCoapOptions, type ReceivedMessage, WeirBroker } from "../../mod.ts";
import { requires } from "../support/skip.ts";
import { coap, COAP_CLIENT, coapClient } from "./libcoap.ts";

const utf8 = new TextEncoder();

interface Scene {
  readonly broker: WeirBroker;
  /** Without a path. */
  readonly uri: string;
  /** The next message that anybody publishes. */
  next(): Promise<ReceivedMessage>;
}

/** A test that talks to a broker with an open CoAP door. */
function test(name: string, play: (scene: Scene) => Promise<void>, options: ListenCoapOptions = {}): void {
  Deno.test(requires([COAP_CLIENT], {
    name: `libcoap: ${name}`,
    async fn() {
      await using broker = await WeirBroker.start({ sysIntervalMs: 0 });
      const { port } = broker.listenCoap({ ...options, port: 0 });
      const reader = broker.subscribe("#", { qos: 2 }).getReader();
      await play({ broker, uri: `coap://127.0.0.1:${port}`, next: async () => (await reader.read()).value! });
    },
  }));
}

test("POST publishes as the seed did, with what the query says", async ({ uri, next }) => {
  const answer = await coap("-m", "post", "-e", "hi", `${uri}/mqtt/publish/a/b?qos=1&expiry=60&content-type=a/b`);
  assert.deepEqual(answer, { output: "", errors: "" });
  const { topic, payload, qos, retain, expirySeconds, contentType } = await next();
  assert.deepEqual([topic, new TextDecoder().decode(payload), qos, retain], ["a/b", "hi", 1, false]);
  assert.deepEqual([expirySeconds, contentType], [60, "a/b"]);
});

test("PUT leaves a message retained, GET reads it, DELETE takes it away", async ({ uri, next }) => {
  await coap("-m", "put", "-t", "application/json", "-e", "[1]", `${uri}/ps/a/b`);
  const { retain, contentType } = await next();
  assert.deepEqual([retain, contentType], [true, "application/json"]);
  const shown = await coap("-m", "get", "-v", "6", `${uri}/ps/a/b`);
  assert.match(shown.output, /c:2\.05.*Content-Format:application\/json.*'\[1\]'/);
  assert.deepEqual(await coap("-m", "delete", `${uri}/ps/a/b`), { output: "", errors: "" });
  const gone = await coap("-m", "get", `${uri}/ps/a/b`);
  assert.match(gone.errors, /^4\.04/);
});

test("the first answer to PUT is 2.01 and names the topic, later ones are 2.04", async ({ uri }) => {
  const put = () => coap("-v", "6", "-m", "put", "-e", "x", `${uri}/ps/new/one`);
  assert.match((await put()).output, /c:2\.01 .*Location-Path:ps, Location-Path:new, Location-Path:one/);
  assert.match((await put()).output, /c:2\.04 /);
});

test("a body of many blocks arrives whole, and is read whole", async ({ uri, broker, next }) => {
  const body = Array.from({ length: 2_000 }, (_, index) => `line ${index}`).join(" ");
  const file = await Deno.makeTempFile();
  try {
    await Deno.writeTextFile(file, body);
    await coap("-m", "put", "-b", "256", "-f", file, `${uri}/ps/large`);
  } finally {
    await Deno.remove(file);
  }
  assert.ok(new TextDecoder().decode((await next()).payload) === body);
  assert.ok((await coap("-m", "get", `${uri}/ps/large`)).output === body);
  assert.ok((await coap("-m", "get", "-b", "64", `${uri}/ps/large`)).output === body);
  await broker.publish({ topic: "large", payload: "", retain: true });
});

test("Observe tells every message, large ones too, and ends when its client goes", async ({ uri, broker }) => {
  await broker.publish({ topic: "o/first", payload: "retained", retain: true });
  await using observer = coapClient(["-m", "get", "-w", "-s", "30", `${uri}/ps/o/%2B`]);
  await observer.line(/retained/);
  const large = "x".repeat(5_000);
  for (const [topic, payload] of [["o/a", "one"], ["o/b", large], ["o/a", "three"]]) {
    await broker.publish({ topic, payload });
    await observer.line(new RegExp(`${payload}$`));
  }
});

test("what is not there, and what is wrong, is told by its code", async ({ uri }) => {
  const get = async (path: string, ...args: string[]) => (await coap(...args, "-m", "get", uri + path)).errors;
  assert.match(await get("/nothing"), /^4\.04/);
  assert.match(await get("/ps/a/%2B"), /^4\.00/);
  assert.match(await get("/ps/a%2Fb"), /^4\.00/);
  assert.match(await get("/ps/a?colour=red"), /^4\.00/);
  assert.match(await get("/mqtt/publish/a"), /^4\.05/);
  assert.match(await get("/health", "-A", "application/cbor"), /^4\.06/);
  assert.match(await get("/health", "-O", "9999,x"), /^4\.02/);
  assert.match((await coap("-m", "post", "-e", "x", `${uri}/ps/a/%2B`)).errors, /^4\.00/);
  assert.match((await coap("-m", "post", "-t", "9", "-e", "x", `${uri}/ps/a`)).errors, /^4\.15/);
  assert.match((await coap("-m", "fetch", "-e", "x", `${uri}/ps/a`)).errors, /^4\.05/);
});

test("a body beyond the limit is refused before it is all there", async ({ uri }) => {
  const file = await Deno.makeTempFile();
  try {
    await Deno.writeFile(file, utf8.encode("x".repeat(9_000)));
    assert.match((await coap("-m", "put", "-f", file, `${uri}/ps/large`)).errors, /^4\.13/);
  } finally {
    await Deno.remove(file);
  }
}, { bodyBytesMax: 4096 });

test("there is a list of what there is, and it can be filtered", async ({ uri }) => {
  const all = (await coap("-m", "get", `${uri}/.well-known/core`)).output;
  assert.match(all, /<\/health>.*<\/mqtt\/publish>.*<\/ps>;rt="core\.ps";obs/);
  const one = (await coap("-m", "get", `${uri}/.well-known/core?rt=core.ps`)).output;
  assert.match(one, /^<\/ps>;rt="core\.ps"[^<]*$/);
  assert.equal((await coap("-m", "get", `${uri}/health`)).output, '{"status":"healthy"}');
});

test("what a client loses on the way is sent again, and done once", async ({ uri, next }) => {
  await coap("-l", "1", "-m", "post", "-e", "x", `${uri}/ps/lossy`);
  await coap("-m", "put", "-e", "y", `${uri}/ps/lossy`);
  const payloads = [await next(), await next()].map(({ payload }) => new TextDecoder().decode(payload));
  assert.deepEqual(payloads, ["x", "y"]);
  assert.equal((await coap("-l", "1,3", "-m", "get", `${uri}/ps/lossy`)).output, "y");
});

/** What somebody who means harm can send to the CoAP port; all of it over real sockets, on loopback. */
import assert from "node:assert/strict";
import { type ListenCoapOptions, WeirBroker } from "../../mod.ts";
import { encode } from "../../src/bridge/coap/codec.ts";
import {
  type CoapMessage,
  type CoapOption,
  Code,
  MessageType,
  OptionNumber,
  uintOption,
} from "../../src/bridge/coap/message.ts";
import { OBSERVE, text, textOf } from "./door_scene.ts";
import { optionsOf } from "./options.ts";
import { randomOf } from "./simulation.ts";
import { UdpPeer } from "./udp_peer.ts";

const NOTHING = new Uint8Array(0);
let lastMessageId = 0;

function test(
  name: string,
  play: (scene: { broker: WeirBroker; port: number }) => Promise<void>,
  options: ListenCoapOptions = {},
): void {
  Deno.test(`CoAP attack: ${name}`, async () => {
    await using broker = await WeirBroker.start({ sysIntervalMs: 0 });
    const { port } = broker.listenCoap({ requestsPerSecondMax: Infinity, ...options, port: 0 });
    await play({ broker, port });
    if (options.requestsPerSecondMax === undefined) await assertServes(port); // else this address has spent what it has
  });
}

/** Somebody else gets an answer, whatever has happened. */
async function assertServes(port: number): Promise<void> {
  await using peer = new UdpPeer(port, { answersPings: true });
  assert.equal(textOf(await ask(peer, { path: "/health" })), '{"status":"healthy"}');
}

interface Wish {
  readonly path: string;
  readonly code?: number;
  readonly type?: MessageType;
  readonly options?: readonly CoapOption[];
  readonly payload?: Uint8Array;
}

function requestOf({ path, code = Code.get, type = MessageType.confirmable, options = [], payload = NOTHING }: Wish) {
  const messageId = lastMessageId = (lastMessageId + 1) & 0xffff;
  const token = Uint8Array.of(messageId >> 8, messageId);
  return { type, code, messageId, token, options: [...optionsOf(path), ...options], payload };
}

/** Asks as a client of CoAP does: again after two seconds, for a datagram may be lost where the kernel has no room for it. */
async function ask(peer: UdpPeer, wish: Wish): Promise<CoapMessage> {
  const request = requestOf(wish);
  for (let attempt = 1; attempt <= 4; attempt++) {
    await peer.send(encode(request));
    const isAnswer = ({ code, token }: CoapMessage) => code !== Code.empty && token.toHex() === request.token.toHex();
    const answer = await peer.next(isAnswer, 2_000 * attempt);
    if (answer !== undefined) return answer;
  }
  throw new Error(`The broker has not answered ${wish.path}`);
}

test("ten thousand datagrams of garbage", async ({ port }) => {
  const seed = Date.now();
  const random = randomOf(seed);
  console.log(`seed ${seed}`);
  const valid = encode(requestOf({ path: "/ps/a/b?qos=1", code: Code.post, payload: text("payload") }));
  await using peer = new UdpPeer(port);
  for (let count = 0; count < 10_000; count++) {
    const bytes = count % 2 === 0
      ? valid.map((byte) => random() < 0.1 ? random() * 256 : byte) // a request that was damaged
      : Uint8Array.from({ length: random() * 64 }, () => random() * 256);
    await peer.send(bytes.subarray(0, random() * 1.5 * bytes.length));
  }
});

test("DTLS is left unanswered: the door speaks none", async ({ port }) => {
  await using peer = new UdpPeer(port);
  const hello = [0x16, 0xfe, 0xfd, ...new Array(8).fill(0), 0, 60, 1, 0, 0, 48, ...new Array(56).fill(7)];
  for (const length of [1, 3, 4, 13, hello.length]) await peer.send(Uint8Array.from(hello.slice(0, length)));
  await assertServes(port);
  assert.equal(peer.bytesIn, 0);
});

test("an address that answers nothing gets three bytes for one, whatever it asks for", async ({ broker, port }) => {
  await broker.publish({ topic: "large", payload: "x".repeat(60_000), retain: true });
  const wishes: Wish[] = [
    { path: "/ps/large" },
    { path: "/ps/large", type: MessageType.nonConfirmable },
    { path: "/ps/large", options: [OBSERVE] },
    { path: "/ps/%23", options: [OBSERVE] },
    { path: "/.well-known/core" },
    { path: "/ps/a%2Fb" },
  ];
  for (const wish of wishes) {
    await using peer = new UdpPeer(port);
    for (let count = 0; count < 20; count++) await peer.send(encode(requestOf(wish)));
    await broker.publish({ topic: "large", payload: "y".repeat(60_000), retain: true });
    await peer.next(() => false, 700); // longer than an answer waits for a proof
    assert.ok(
      peer.bytesIn > 0 && peer.bytesIn <= 3 * peer.bytesOut,
      `${wish.path}: ${peer.bytesIn} for ${peer.bytesOut}`,
    );
  }
});

test("bodies in blocks that never end", async ({ port }) => {
  await using peer = new UdpPeer(port, { answersPings: true });
  const block = (tag: number, number: number) => {
    const options = [
      uintOption(OptionNumber.block1, number * 16 + 8 + 6),
      uintOption(OptionNumber.requestTag, tag),
    ];
    return ask(peer, { path: "/ps/a", code: Code.post, options, payload: new Uint8Array(1_024) });
  };
  for (let number = 0; number < 64; number++) assert.equal((await block(0, number)).code, Code.continue);
  assert.equal((await block(0, 64)).code, Code.requestEntityTooLarge);
  for (let tag = 1; tag <= 50; tag++) assert.equal((await block(tag, 0)).code, Code.continue);
  assert.equal((await block(1, 1)).code, Code.requestEntityIncomplete, "four at a time, the oldest goes");
}, { bodyBytesMax: 64 * 1_024 });

test("a thousand ports, each with a request and an observation", async ({ broker, port }) => {
  const peers = Array.from({ length: 1_000 }, () => new UdpPeer(port, { answersPings: true }));
  try {
    const codes: string[] = [];
    for (const peer of peers) {
      const { options } = await ask(peer, { path: "/ps/a", options: [OBSERVE] });
      codes.push(options.some(({ number }) => number === OptionNumber.observe) ? "observes" : "reads");
    }
    assert.equal(codes.filter((code) => code === "observes").length, 200);
    await broker.publish({ topic: "a", payload: "1" });
  } finally {
    for (const peer of peers) await peer[Symbol.asyncDispose]();
  }
}, { endpointsMax: 2_000, observationsMax: 200 });

test("options without end, and values without end", async ({ port }) => {
  await using peer = new UdpPeer(port, { answersPings: true });
  const many = Array.from({ length: 250 }, () => ({ number: OptionNumber.uriPath, value: NOTHING }));
  assert.equal((await ask(peer, { path: "/ps/a", code: Code.post, options: many })).code, Code.badRequest);
  const huge = [{ number: OptionNumber.uriPath, value: new Uint8Array(60_000) }];
  assert.equal((await ask(peer, { path: "/ps", code: Code.post, options: huge })).code, Code.badOption);
  const elective = [{ number: 65_000, value: new Uint8Array(60_000) }];
  assert.equal((await ask(peer, { path: "/health", options: elective })).code, Code.content);
});

test("a flood from one address does not keep an MQTT client waiting, and ends in silence", async ({ broker, port }) => {
  await using flood = new UdpPeer(port);
  const reader = broker.subscribe("steady").getReader();
  const request = () => encode(requestOf({ path: "/ps/flood", code: Code.post, payload: text("x") }));
  const flooding = (async () => {
    for (let count = 0; count < 5_000; count++) await flood.send(request());
  })();
  const times: number[] = [];
  for (let count = 0; count < 50; count++) {
    const before = performance.now();
    await broker.publish({ topic: "steady", payload: `${count}` });
    await reader.read();
    times.push(performance.now() - before);
  }
  await flooding;
  const median = times.sort((a, b) => a - b)[25]; // a pause of the whole machine is none of the flood's
  assert.ok(median < 1_000, `${median} ms`);
  await flood.next(({ code }) => code === Code.tooManyRequests);
  assert.ok(flood.received.length < 1_000, `${flood.received.length} answers`);
  await reader.cancel();
}, { requestsPerSecondMax: 100 });

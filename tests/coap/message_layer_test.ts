import assert from "node:assert/strict";
import fc from "fast-check";
import { type CoapMessage, type CoapResponse, Code, MessageType } from "../../src/bridge/coap/message.ts";
import { MessageLayer } from "../../src/bridge/coap/message_layer.ts";
import type { Exchange, PeerAddress } from "../../src/bridge/coap/peer.ts";
import { carry, Client, type Weather, World } from "./simulation.ts";

const FINE: Weather = { lost: 0, doubled: 0, delayMsMax: 20 };
const text = (text: string) => new TextEncoder().encode(text);

/** A server that answers after a while, and counts. */
class Server {
  readonly layer: MessageLayer;
  readonly world: World;
  /** Payloads of requests in the order in which they were carried out. */
  readonly carriedOut: string[] = [];
  readonly exchanges: Exchange[] = [];
  silent = 0;
  overloads = 0;
  /** Milliseconds until a request is answered; what answers it. */
  answerAfter: () => number = () => 0;
  answer: (request: CoapMessage) => CoapResponse = ({ payload }) => ({ code: Code.changed, payload });
  readonly #wires = new Map<number, (bytes: Uint8Array) => void>();
  readonly #bytes = new Map<number, { in: number; out: number; isProved: boolean }>();

  constructor(world: World, limits: { peersMax?: number; exchangesMax?: number } = {}) {
    this.world = world;
    const { random, timers } = world;
    const { peersMax = 100, exchangesMax = 1_000 } = limits;
    this.layer = new MessageLayer({
      ...{ random, timers, peersMax, exchangesMax },
      transmit: (bytes, { port }) => this.#transmit(bytes, port),
      onRequest: (request, exchange) => {
        this.carriedOut.push(new TextDecoder().decode(request.payload));
        this.exchanges.push(exchange);
        const after = this.answerAfter();
        const answer = () => this.layer.respond(exchange, this.answer(request), world.now);
        if (after === 0) answer();
        else world.in(after, answer);
      },
      onSilence: () => this.silent++,
      onOverload: () => this.overloads++,
    });
  }

  client(port: number, weather: Weather = FINE): Client {
    const client = new Client(this.world, port);
    this.#wires.set(port, carry(this.world, weather, (bytes) => client.receive(bytes)));
    client.send = carry(this.world, weather, (bytes) => this.receive(bytes, client.address));
    return client;
  }

  receive(bytes: Uint8Array, from: PeerAddress): void {
    const counts = this.#countsOf(from.port);
    counts.in += bytes.length;
    const type = bytes[0] >> 4 & 3;
    if (type === MessageType.acknowledgement || type === MessageType.reset) counts.isProved = true;
    this.layer.receive(bytes, from, this.world.now);
  }

  #transmit(bytes: Uint8Array, port: number): void {
    const counts = this.#countsOf(port);
    counts.out += bytes.length;
    assert.ok(counts.isProved || counts.out <= 3 * counts.in, `${counts.out} bytes out for ${counts.in} in`);
    this.#wires.get(port)?.(bytes);
  }

  #countsOf(port: number) {
    let counts = this.#bytes.get(port);
    if (counts === undefined) this.#bytes.set(port, counts = { in: 0, out: 0, isProved: false });
    return counts;
  }
}

function scene(seed = 1): { world: World; server: Server } {
  const world = new World(seed);
  return { world, server: new Server(world) };
}

Deno.test("CoAP: an answer that is there comes with the acknowledgement", () => {
  const { world, server } = scene();
  const client = server.client(1);
  const pending = client.request({ code: Code.post, payload: text("a") });
  world.runUntil(100);
  assert.deepEqual(pending.responses.map(({ type, code }) => [type, code]), [[
    MessageType.acknowledgement,
    Code.changed,
  ]]);
});

Deno.test("CoAP: an answer that takes longer comes by itself, and is acknowledged", () => {
  const { world, server } = scene();
  server.answerAfter = () => 5_000;
  const pending = server.client(1).request({ code: Code.post, payload: text("a") });
  world.runUntil(1_000);
  assert.deepEqual([pending.isSettled, pending.responses.length], [true, 0], "acknowledged, not answered");
  world.runUntil(60_000);
  assert.deepEqual(pending.responses.map(({ type }) => type), [MessageType.confirmable]);
  assert.deepEqual(server.carriedOut, ["a"]);
});

Deno.test("CoAP: a request that wants no acknowledgement gets its answer so too", () => {
  const { world, server } = scene();
  const pending = server.client(1).request({ code: Code.post, isConfirmable: false, payload: text("a") });
  world.runUntil(1_000);
  assert.deepEqual(pending.responses.map(({ type }) => type), [MessageType.nonConfirmable]);
});

Deno.test("CoAP: a duplicate is answered as the first one, and not carried out again (RFC 7252 section 4.5)", () => {
  const { world, server } = scene();
  const client = server.client(1);
  const sent: Uint8Array[] = [];
  const { send } = client;
  client.send = (bytes) => (sent.push(bytes), send(bytes));
  const pending = client.request({ code: Code.post, payload: text("a") });
  world.runUntil(100);
  send(sent[0]);
  world.runUntil(246_000);
  assert.deepEqual([server.carriedOut, pending.responses.length], [["a"], 2]);
  assert.deepEqual(pending.responses[1], pending.responses[0]);
  world.runUntil(248_000);
  send(sent[0]);
  world.runUntil(249_000);
  assert.deepEqual(server.carriedOut, ["a", "a"], "after an exchange lifetime the id is free again");
});

Deno.test("CoAP: a client that starts anew with the same message id is not taken for itself", () => {
  const { world, server } = scene();
  server.client(1).request({ code: Code.post, payload: text("before") });
  const again = new World(1); // the same random numbers
  const client = new Client(again, 1);
  let first = true;
  client.send = (bytes) => first && (first = false, server.receive(bytes, client.address));
  world.runUntil(100);
  client.request({ code: Code.post, payload: text("after") });
  world.runUntil(200);
  assert.deepEqual(server.carriedOut, ["before", "after"]);
});

Deno.test("CoAP: an Empty confirmable message and an answer to nothing are rejected, the rest of such is ignored", () => {
  const { world, server } = scene();
  const got: Uint8Array[] = [];
  const client = server.client(1);
  client.receive = (bytes) => void got.push(bytes);
  const bytes = ["40000007", "40450008", "50450009", "6045000a", "7000000b", "40e0000c", "50e0000d"];
  for (const hex of bytes) server.receive(Uint8Array.fromHex(hex), client.address);
  world.runUntil(1_000);
  assert.deepEqual(got.map((bytes) => bytes.toHex()).toSorted(), ["70000007", "70000008", "7000000c"]);
  assert.deepEqual(server.carriedOut, []);
});

Deno.test("CoAP: a confirmable message of the server is sent five times in all, at growing intervals, and then given up", () => {
  const { world, server } = scene();
  const client = server.client(1);
  client.request({ code: Code.post, payload: text("a") });
  world.runUntil(100);
  server.layer.ping(server.exchanges[0].peer, world.now); // or not all of them would be paid for
  world.runUntil(200);
  client.acknowledges = false;
  const times: number[] = [];
  client.receive = () => void times.push(world.now);
  const outcomes: [string, number][] = [];
  const { peer } = server.exchanges[0];
  const onOutcome = (outcome: string, now: number) => outcomes.push([outcome, now]);
  server.layer.notify(peer, { response: { code: Code.content }, token: Uint8Array.of(9), onOutcome }, world.now);
  world.runUntil(200_000);
  assert.equal(times.length, 5);
  const gaps = times.slice(1).map((time, index) => (time - times[index]) / 1_000);
  for (const [index, gap] of gaps.entries()) {
    assert.ok(gap > 1.9 * 2 ** index && gap < 3.1 * 2 ** index, `gap ${index} is ${gap} s`);
  }
  assert.equal(outcomes.length, 1);
  const [outcome, at] = outcomes[0];
  assert.ok(outcome === "timeout" && at > 62_000 && at < 93_100, `${outcome} at ${at}`);
});

Deno.test("CoAP: one confirmable message at a time is under way to a peer (NSTART)", () => {
  const { world, server } = scene();
  const client = server.client(1);
  const { token } = client.request({ code: Code.post, payload: text("abcdefghijkl") });
  world.runUntil(100);
  const { peer } = server.exchanges[0];
  let underWay = 0;
  let most = 0;
  const take = client.receive.bind(client);
  client.receive = (bytes) => {
    most = Math.max(most, ++underWay);
    take(bytes);
  };
  const outcomes: string[] = [];
  const onOutcome = (outcome: string) => {
    underWay--;
    outcomes.push(outcome);
  };
  for (let count = 0; count < 10; count++) {
    server.layer.notify(peer, { response: { code: Code.content }, token, onOutcome }, world.now);
  }
  world.runUntil(10_000);
  assert.deepEqual([most, outcomes.length, new Set(outcomes).size], [1, 10, 1]);
});

Deno.test("CoAP: an answer of more than three times what was asked waits until the client has proved its address", () => {
  const { world, server } = scene();
  server.answer = () => ({ code: Code.content, payload: new Uint8Array(1_000) });
  const client = server.client(1);
  const first = client.request({ code: Code.get });
  world.runUntil(200);
  assert.deepEqual(first.responses.map(({ type, payload }) => [type, payload.length]), [[2, 1_000]]);
  const second = client.request({ code: Code.get });
  world.runUntil(400);
  assert.equal(second.responses.length, 1);
});

Deno.test("CoAP: a client that does not answer gets what is smaller, or nothing, and what waits is let go", () => {
  const { world, server } = scene();
  const smaller = { code: Code.content, payload: new Uint8Array(2) };
  server.answer = ({ payload }) => {
    const large = { code: Code.content, payload: new Uint8Array(1_000) };
    return payload.length > 0 ? { ...large, smaller: () => smaller } : large;
  };
  const client = server.client(1);
  client.answersPings = false;
  const [some, none] = [client.request({ code: Code.get, payload: text("x") }), client.request({ code: Code.get })];
  world.runUntil(1_000);
  assert.deepEqual([some.responses.map(({ payload }) => payload.length), none.responses.length], [[2], 0]);
  world.runUntil(400_000);
  assert.deepEqual([none.responses.length, server.silent], [0, 1]);
  assert.equal(server.exchanges[0].peer.isBusy, false);
});

Deno.test("CoAP: who guesses message ids proves nothing", () => {
  const { world, server } = scene();
  server.answer = () => ({ code: Code.content, payload: new Uint8Array(1_000) });
  const client = server.client(1); // forged: what is sent to it reaches nobody
  client.receive = () => {};
  client.request({ code: Code.get });
  world.runUntil(50);
  const { peer } = server.exchanges[0];
  const secret = peer.underWay!.messageId;
  for (let guess = 1; guess <= 8; guess++) {
    const id = (secret + guess) & 0xffff;
    server.layer.receive(Uint8Array.of(0x70, 0, id >> 8, id), client.address, world.now);
  }
  server.layer.receive(Uint8Array.of(0x70, 0, secret >> 8, secret), client.address, world.now); // right, and too late
  assert.equal(peer.isVerified, false);
});

Deno.test("CoAP: peers and exchanges are bounded, the oldest goes, and who is busy stays", () => {
  const world = new World(1);
  const server = new Server(world, { peersMax: 50, exchangesMax: 60 });
  const bytes = (port: number) => Uint8Array.of(0x50, Code.post, port >> 8, port, 0xff, 1);
  for (let port = 1; port <= 500; port++) server.receive(bytes(port), { hostname: "192.0.2.1", port });
  assert.deepEqual([server.layer.peerCount, server.layer.exchangeCount, server.overloads], [50, 60, 0]);
  server.answerAfter = () => 1_000;
  for (let port = 1_001; port <= 1_500; port++) server.receive(bytes(port), { hostname: "192.0.2.1", port });
  assert.ok(server.layer.peerCount <= 50);
  assert.equal(server.overloads, 450);
  world.runUntil(2_000);
  server.receive(bytes(9_999), { hostname: "192.0.2.1", port: 9_999 });
  assert.equal(server.overloads, 450, "those that are answered make room");
});

Deno.test("CoAP: those who observe in silence do not keep others out of a full table", () => {
  const world = new World(1);
  const server = new Server(world, { peersMax: 100 });
  const bytes = Uint8Array.of(0x50, Code.post, 0, 1, 0xff, 1);
  const receive = (port: number) => server.receive(bytes, { hostname: "192.0.2.1", port });
  for (let port = 1; port <= 100; port++) receive(port);
  for (const { peer } of server.exchanges.slice(0, 60)) peer.uses++;
  for (let port = 1_001; port <= 1_100; port++) receive(port);
  assert.deepEqual([server.layer.peerCount, server.silent], [100, 0]);
  assert.ok(server.overloads <= 5, `${server.overloads} of 100 were not answered`);
});

const weather = fc.record({
  lost: fc.double({ min: 0, max: 0.4, noNaN: true }),
  doubled: fc.double({ min: 0, max: 0.3, noNaN: true }),
  delayMsMax: fc.integer({ min: 1, max: 5_000 }),
});

Deno.test("CoAP: whatever is lost, doubled or overtaken, no request is carried out twice and every answer is its own", () => {
  fc.assert(
    fc.property(fc.nat(), weather, fc.integer({ min: 1, max: 40 }), (seed, weather, count) => {
      const { world, server } = scene(seed);
      server.answerAfter = () => world.random() < 0.5 ? 0 : world.random() * 4_000;
      const clients = [1, 2, 3].map((port) => server.client(port, weather));
      const asked = Array.from({ length: count }, (_, index) => {
        const client = clients[index % clients.length];
        const wish = { code: Code.post, isConfirmable: world.random() < 0.8, payload: text(`${index}`) };
        let pending: ReturnType<Client["request"]> | undefined;
        world.in(world.random() * 20_000, () => pending = client.request(wish));
        return { index, pending: () => pending!, isConfirmable: wish.isConfirmable };
      });
      world.runUntil(600_000);
      assert.equal(new Set(server.carriedOut).size, server.carriedOut.length, "nothing twice");
      for (const { index, pending, isConfirmable } of asked) {
        const { responses, isGivenUp } = pending();
        for (const { payload } of responses) assert.equal(new TextDecoder().decode(payload), `${index}`);
        const isDone = server.carriedOut.includes(`${index}`);
        if (responses.length > 0) assert.ok(isDone);
        if (isConfirmable && !isGivenUp && weather.lost === 0) assert.ok(isDone && responses.length > 0);
      }
      world.runUntil(Infinity); // and it comes to rest
    }),
    { numRuns: 150 },
  );
});

Deno.test("CoAP: in any weather notifications arrive in their order, and each ends once", () => {
  fc.assert(
    fc.property(fc.nat(), weather, (seed, weather) => {
      const { world, server } = scene(seed);
      const client = server.client(1, weather);
      const { token } = client.request({ code: Code.get, isConfirmable: false });
      const got: string[] = [];
      world.runUntil(10_000);
      if (server.exchanges.length === 0) return; // lost
      const { peer } = server.exchanges[0];
      const outcomes: number[] = [];
      const tell = (index: number) => {
        const response = { code: Code.content, payload: text(`${index}`) };
        const onOutcome = (outcome: string) => {
          outcomes.push(index);
          if (outcome === "acknowledged" && index < 20) tell(index + 1);
        };
        server.layer.notify(peer, { response, token, onOutcome }, world.now);
      };
      tell(1);
      world.runUntil(Infinity);
      const { responses } = client.pending.get(token.toHex())!;
      for (const { payload, type } of responses) {
        if (type === MessageType.confirmable) got.push(new TextDecoder().decode(payload));
      }
      assert.deepEqual(outcomes, Array.from({ length: outcomes.length }, (_, index) => index + 1));
      assert.deepEqual(got, Array.from({ length: got.length }, (_, index) => `${index + 1}`));
      assert.ok(got.length >= outcomes.length - 1, "what is acknowledged has arrived");
    }),
    { numRuns: 100 },
  );
});

import assert from "node:assert/strict";
import type { MessageLayer } from "../../src/bridge/coap/message_layer.ts";
import { Observations } from "../../src/bridge/coap/observations.ts";
import { Peer } from "../../src/bridge/coap/peer.ts";
import { Timers } from "../../src/bridge/coap/timers.ts";
import { Transmission } from "../../src/bridge/coap/transmission.ts";
import type { GuestDelivery, GuestSubscription } from "../../src/bridge/gateway.ts";

/** What was called off is swept out once it is more than so many, and half of all. */
const CALLED_OFF_MAX = 128;

type Notification = Parameters<MessageLayer["notify"]>[1];

/** Observations of one peer whose network is perfect: a notification is acknowledged at once. */
class Scene {
  readonly timers = new Timers(() => {});
  readonly peer = new Peer("a 1", { hostname: "a", port: 1 }, 1);
  readonly observations: Observations;
  #tokens = 0;

  constructor() {
    const layer = {
      ping: () => {},
      withdraw: () => {},
      notify: (_peer: Peer, { onOutcome }: Notification, now: number) => {
        queueMicrotask(() => onOutcome("acknowledged", now));
        return new Transmission({ messageId: 1, bytes: new Uint8Array(0), isPing: false, onOutcome });
      },
    };
    this.observations = new Observations({
      layer: layer as unknown as MessageLayer,
      timers: this.timers,
      now: () => 0,
      firstSequence: 1,
      observationsMax: 10,
      observationsPerPeerMax: 10,
      onError: (error) => {
        throw error;
      },
    });
  }

  /** Begins to observe; answers the token. */
  add(subscription: GuestSubscription): Uint8Array {
    const token = Uint8Array.of(++this.#tokens >> 8, this.#tokens);
    const { peer } = this;
    const wish = { accept: undefined, block2: undefined, nameOf: () => [] };
    this.observations.add({ peer, token, target: "/ps/a", subscription, ...wish });
    return token;
  }
}

/** A subscription that tells what `next` does. */
function subscriptionOf(next: () => Promise<GuestDelivery | undefined>): GuestSubscription {
  return { next, settle: () => {}, end: () => Promise.resolve() } as unknown as GuestSubscription;
}

Deno.test("CoAP observe: who observes and leaves again and again leaves nothing behind", () => {
  const scene = new Scene();
  const { observations, peer, timers } = scene;
  for (let count = 0; count < 1_000; count++) {
    observations.cancel(peer, scene.add(subscriptionOf(() => new Promise(() => {}))));
  }
  assert.deepEqual([observations.size, timers.size < CALLED_OFF_MAX], [0, true], `${timers.size} timers`);
});

Deno.test("CoAP observe: message after message in blocks leaves nothing behind", async () => {
  const scene = new Scene();
  const { observations, peer, timers } = scene;
  const payload = new Uint8Array(2_000);
  const delivery = { topic: "a", payload, qos: 0, retain: false, id: 0, isAgain: false } as const;
  let count = 0;
  const told = Promise.withResolvers<void>();
  scene.add(subscriptionOf(() => {
    if (++count <= 1_000) return Promise.resolve(delivery);
    told.resolve();
    return new Promise(() => {});
  }));
  const isOver = told.promise.then(() => true);
  do {
    observations.bodyOf(peer, "/ps/a")?.onBlock(true);
  } while (await Promise.race([isOver, Promise.resolve(false)]) === false);
  assert.ok(timers.size < CALLED_OFF_MAX, `${timers.size} timers`);
});

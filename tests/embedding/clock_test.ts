import assert from "node:assert/strict";
import { TestBroker } from "../support/broker.ts";
import { happening, inTime } from "./waiting.ts";

const HOUR_MS = 3_600_000;

/** Sets the system's clock, as far as this process can see. */
function stepClock(byMs: number): Disposable {
  const { now } = Date;
  Date.now = () => now() + byMs;
  return { [Symbol.dispose]: () => void (Date.now = now) };
}

Deno.test("a clock that is set forward cuts nobody, and expiries follow it", async () => {
  await using broker = await TestBroker.start();
  const client = await broker.connect({ keepAlive: 600 });
  const half = await broker.open(); // has not sent CONNECT yet
  await client.publish("r", "x", { qos: 1, retain: true, properties: { messageExpiryInterval: 1800 } });
  const cleared = happening(broker.broker, "retained-cleared");
  using _ = stepClock(HOUR_MS);
  assert.equal((await cleared).topic, "r");
  await client.expectNothing();
  await half.connect();
});

Deno.test("a clock that is set back lets nobody stay silent", async () => {
  await using broker = await TestBroker.start();
  const client = await broker.connect({ keepAlive: 1 });
  using _ = stepClock(-HOUR_MS);
  const { reasonCode } = await inTime(client.expect("disconnect"), "DISCONNECT");
  assert.equal(reasonCode, 0x8d);
});

Deno.test("an expiry that is forwarded is what is left by the clock that was set", async () => {
  await using broker = await TestBroker.start();
  const publisher = await broker.connect();
  await publisher.publish("r", "x", { qos: 1, retain: true, properties: { messageExpiryInterval: 7200 } });
  await publisher.publish("old", "x", { qos: 1, retain: true, properties: { messageExpiryInterval: 1800 } });
  const cleared = happening(broker.broker, "retained-cleared"); // the step has been seen by then
  using _ = stepClock(HOUR_MS);
  await cleared;
  const subscriber = await broker.connect();
  await subscriber.subscribe("r");
  const left = (await subscriber.receive()).properties!.messageExpiryInterval!;
  assert.ok(left > 3590 && left <= 3600, `${left} s`);
});

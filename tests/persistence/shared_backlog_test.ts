/** A long queue of a shared group's member that comes and goes while the store is asked for more of it. */
import assert from "node:assert/strict";
import { Client, type ClientOptions } from "../crash/client.ts";
import { Ledger, type Stream } from "../crash/ledger.ts";
import { between, delay, randomOf, until } from "../crash/random.ts";
import { Wills } from "../crash/wills.ts";
import { DurableBroker } from "./durable_broker.ts";

const COUNT = 6_000;

function member(clientId: string): ClientOptions {
  return { clientId, version: 5, wants: [{ filter: "$share/g/t/#", qos: 2 }] };
}

for (const seed of [1, 2, 3]) {
  Deno.test(`each message of a long queue reaches one member, QoS 2 once, while a member comes and goes (${seed})`, async () => {
    await using broker = await DurableBroker.start("kill");
    const { port } = broker;
    const random = randomOf(seed);
    const ledger = new Ledger();
    const parts = { ledger, wills: new Wills(ledger, new Set()), random };
    const [restless, other] = [new Client(member("restless"), parts), new Client(member("other"), parts)];
    await restless.connect(port);
    await restless.settled();
    await restless.disconnect();
    const publisher = new Client({ clientId: "p", version: 5 }, parts);
    const streams = ([1, 2] as const).map((qos) =>
      ledger.stream({ topic: `t/p/${qos}`, publisher: "p", qos, retain: false })
    );
    await publishAll(publisher, streams, port);

    await other.connect(port);
    for (let i = 0; i < 25; i++) {
      await restless.connect(port);
      await delay(between(random, 0, 60));
      await restless.drop();
    }
    await restless.connect(port);
    const missing = () => ledger.missingOfGroup([restless, other]);
    await until(() => missing() === 0, () => `${missing()} are missing`).catch((error) => ledger.accuse(String(error)));
    for (const client of [restless, other, restless, other]) await client.settled();
    ledger.checkGroup([restless, other]);
    for (const client of [restless, other, publisher]) await client.drop();
    assert.deepEqual(ledger.violations.slice(0, 10), []);
  });
}

async function publishAll(publisher: Client, streams: readonly Stream[], port: number): Promise<void> {
  let left = COUNT;
  publisher.onRoom = () => {
    while (left > 0 && publisher.outstanding < 40) publisher.publish(streams[left-- % streams.length]);
  };
  await publisher.connect(port);
  await until(() => left === 0 && publisher.outstanding === 0, () => `${left} are to be published`);
}

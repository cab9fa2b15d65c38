/** MQTT.js, the client of most JavaScript programs, against the broker: what every version has. Its TCP transport (node:net) works
 * under Deno as it is; 3.1 has to be asked for by protocol id as well. */

import assert from "node:assert/strict";
import type { Authenticator } from "../../src/auth/authenticator.ts";
import { TestBroker } from "../support/broker.ts";
import { MqttJsClients } from "./mqttjs_client.ts";
import { departure, happening, within } from "./patience.ts";

/** Knows one user, who may do nothing under `secret/`. */
const GUARD: Authenticator = {
  authenticate({ username, password }) {
    const isKnown = username === "ada" && new TextDecoder().decode(password) === "lovelace";
    if (!isKnown) return { refusal: "bad-user-name-or-password", reason: "User or password is wrong" };
    const isOpen = (topic: string) => !topic.startsWith("secret/");
    return {
      username,
      policy: { mayPublish: (_, topic) => isOpen(topic), maySubscribe: (_, filter) => isOpen(filter) },
    };
  },
};

for (const protocolVersion of [3, 4, 5] as const) {
  const version = `MQTT.js v${protocolVersion}`;
  const durable = { protocolVersion, clean: false, properties: { sessionExpiryInterval: 300 } };

  Deno.test(`${version}: each QoS arrives at each granted QoS, never above either`, async () => {
    await using broker = await TestBroker.start();
    await using clients = new MqttJsClients(broker);
    const publisher = await clients.connect({ protocolVersion });
    for (const granted of [0, 1, 2] as const) {
      const subscriber = await clients.connect({ protocolVersion });
      assert.equal(await subscriber.subscribe(`to/${granted}`, { qos: granted }), granted);
      for (const qos of [0, 1, 2] as const) {
        await publisher.publish(`to/${granted}`, `at ${qos}`, { qos });
        const { topic, payload, packet } = await subscriber.received.next();
        assert.deepEqual([topic, payload, packet.qos], [`to/${granted}`, `at ${qos}`, Math.min(qos, granted)]);
        assert.deepEqual([packet.retain, packet.dup], [false, false]);
      }
    }
    assert.deepEqual(publisher.errors, []);
  });

  Deno.test(`${version}: a client receives what it publishes itself, at every QoS`, async () => {
    await using broker = await TestBroker.start();
    await using clients = new MqttJsClients(broker);
    const client = await clients.connect({ protocolVersion });
    await client.subscribe("echo/#");
    for (const qos of [0, 1, 2] as const) await client.publish(`echo/${qos}`, "back", { qos });
    assert.deepEqual((await client.take(3)).toSorted(), ["echo/0 back", "echo/1 back", "echo/2 back"]);
  });

  Deno.test(`${version}: a retained message is kept, replaced and cleared`, async () => {
    await using broker = await TestBroker.start();
    await using clients = new MqttJsClients(broker);
    const publisher = await clients.connect({ protocolVersion });
    await publisher.publish("kept/a", "old", { qos: 1, retain: true });
    await publisher.publish("kept/a", "new", { qos: 2, retain: true });
    await publisher.publish("kept/b", "other", { qos: 1, retain: true });
    await publisher.publish("kept/b", "", { qos: 1, retain: true });
    const late = await clients.connect({ protocolVersion });
    await late.subscribe("kept/+", { qos: 1 });
    const { topic, payload, packet } = await late.received.next();
    assert.deepEqual([topic, payload, packet.qos, packet.retain], ["kept/a", "new", 1, true]);
    await late.expectNothing();
    await publisher.publish("kept/a", "live", { qos: 1, retain: true });
    assert.equal((await late.received.next()).packet.retain, false, "a running subscription gets it as a new message");
  });

  Deno.test(`${version}: wildcards match whole levels, and none at the start matches $`, async () => {
    await using broker = await TestBroker.start();
    await using clients = new MqttJsClients(broker);
    const publisher = await clients.connect({ protocolVersion });
    const topics = ["a", "a/b", "a/b/c", "a//c", "/a", "$own/a", "ü/ä/€😀"];
    const expected: Record<string, string[]> = {
      "#": ["/a", "a", "a//c", "a/b", "a/b/c", "ü/ä/€😀"],
      "+": ["a"],
      "a/#": ["a", "a//c", "a/b", "a/b/c"],
      "+/+": ["/a", "a/b"],
      "a/+/c": ["a//c", "a/b/c"],
      "/+": ["/a"],
      "$own/#": ["$own/a"],
      "ü/+/#": ["ü/ä/€😀"],
    };
    const subscribers = await Promise.all(
      Object.keys(expected).map(async (filter) => {
        const subscriber = await clients.connect({ protocolVersion });
        await subscriber.subscribe(filter);
        return { filter, subscriber };
      }),
    );
    for (const topic of topics) await publisher.publish(topic, "", { qos: 1 });
    for (const { filter, subscriber } of subscribers) {
      const received = await subscriber.received.take(expected[filter].length);
      assert.deepEqual(received.map(({ topic }) => topic).toSorted(), expected[filter], filter);
      await subscriber.expectNothing();
    }
  });

  Deno.test(`${version}: one SUBSCRIBE with many filters, and after UNSUBSCRIBE nothing more`, async () => {
    await using broker = await TestBroker.start();
    await using clients = new MqttJsClients(broker);
    const client = await clients.connect({ protocolVersion });
    const grants = await client.mqtt.subscribeAsync({ "m/0": { qos: 0 }, "m/1": { qos: 1 }, "m/2": { qos: 2 } });
    assert.deepEqual(grants.map(({ qos }) => qos), [0, 1, 2]);
    await client.publish("m/1", "here", { qos: 1 });
    assert.deepEqual(await client.take(1), ["m/1 here"]);
    await client.mqtt.unsubscribeAsync(["m/0", "m/1"]);
    await client.publish("m/1", "gone", { qos: 1 });
    await client.publish("m/2", "still here", { qos: 1 });
    assert.deepEqual(await client.take(1), ["m/2 still here"]);
    await client.expectNothing();
  });

  Deno.test(`${version}: the will is published when the connection breaks, and not after DISCONNECT`, async () => {
    await using broker = await TestBroker.start();
    await using clients = new MqttJsClients(broker);
    const heir = await clients.connect({ protocolVersion });
    await heir.subscribe("wills/+");
    const will = (name: string) => ({ topic: `wills/${name}`, payload: `of ${name}`, qos: 2, retain: true } as const);
    const polite = await clients.connect({ protocolVersion, will: will("polite") });
    const gone = departure(broker.broker, polite.clientId);
    await polite.mqtt.endAsync();
    const farewell = await gone;
    assert.ok(farewell.kind === "client-disconnected" && farewell.cause === "normal", JSON.stringify(farewell));
    const broken = await clients.connect({ protocolVersion, will: will("broken") });
    broken.drop();
    const { topic, payload, packet } = await heir.received.next();
    assert.deepEqual([topic, payload, packet.qos, packet.retain], ["wills/broken", "of broken", 2, false]);
    const late = await clients.connect({ protocolVersion });
    await late.subscribe("wills/+");
    assert.deepEqual(await late.take(1), ["wills/broken of broken"], "the will was to be retained");
    await late.expectNothing();
  });

  Deno.test(`${version}: a session that is resumed gets what was queued, in order, a will among it`, async () => {
    await using broker = await TestBroker.start();
    await using clients = new MqttJsClients(broker);
    const clientId = "sleeper";
    const awake = await clients.connect({ ...durable, clientId });
    if (protocolVersion !== 3) assert.equal(awake.connack.sessionPresent, false);
    await awake.subscribe("news/#");
    const left = departure(broker.broker, clientId);
    await awake.mqtt.endAsync();
    await left;
    const publisher = await clients.connect({ protocolVersion });
    const will = { topic: "news/will", payload: "3", qos: 1 } as const;
    const dying = await clients.connect({ protocolVersion, will });
    await publisher.publish("news/1", "1", { qos: 1 });
    await publisher.publish("news/2", "2", { qos: 2 });
    const died = happening(broker.broker, ({ kind }) => kind === "will-published");
    dying.drop();
    await died;
    await publisher.publish("news/4", "4", { qos: 1 });
    const again = await clients.connect({ ...durable, clientId });
    if (protocolVersion !== 3) assert.equal(again.connack.sessionPresent, true);
    // MQTT.js tells of a QoS 2 message at its PUBREL, when later QoS 1 messages have been told of: the wire has the order
    const onTheWire = [];
    while (onTheWire.length < 4) {
      const packet = await again.packetsIn.until(({ cmd }) => cmd === "publish");
      if (packet.cmd === "publish") onTheWire.push(`${packet.topic} ${packet.payload}`);
    }
    assert.deepEqual(onTheWire, ["news/1 1", "news/2 2", "news/will 3", "news/4 4"]);
    assert.deepEqual((await again.take(4)).toSorted(), onTheWire.toSorted());
    await again.expectNothing();
    await again.mqtt.endAsync();
    const clean = await clients.connect({ protocolVersion, clientId, clean: true });
    assert.equal(clean.connack.sessionPresent, false);
    await publisher.publish("news/5", "to nobody", { qos: 1 });
    await clean.expectNothing();
  });

  Deno.test(`${version}: a second connection takes the session over and the first is ended`, async () => {
    await using broker = await TestBroker.start();
    await using clients = new MqttJsClients(broker);
    const clientId = "twin";
    const first = await clients.connect({ ...durable, clientId });
    await first.subscribe("twins");
    const closed = new Promise((resolve) => first.mqtt.once("close", () => resolve("closed")));
    const second = await clients.connect({ ...durable, clientId });
    assert.equal(await closed, "closed");
    if (protocolVersion === 5) {
      const last = await first.packetsIn.until(({ cmd }) => cmd === "disconnect");
      assert.ok(last.cmd === "disconnect" && last.reasonCode === 0x8e, JSON.stringify(last));
    }
    await second.publish("twins", "mine now", { qos: 2 });
    assert.deepEqual(await second.take(1), ["twins mine now"]);
  });

  Deno.test(`${version}: who is not let in is told why, and so is who may not subscribe`, async () => {
    await using broker = await TestBroker.start({ authenticator: GUARD });
    await using clients = new MqttJsClients(broker);
    const refused = await clients.refused({ protocolVersion, username: "ada", password: "wrong" });
    assert.equal(refused, protocolVersion === 5 ? 0x86 : 4);
    const ada = await clients.connect({ protocolVersion, username: "ada", password: "lovelace" });
    await assert.rejects(ada.subscribe("secret/#"), protocolVersion === 5 ? /Not authorized/ : /Unspecified error/);
    const publishing = ada.publish("secret/plan", "boo", { qos: 1 });
    if (protocolVersion === 5) await assert.rejects(publishing, /Not authorized/);
    else await publishing; // before v5 no acknowledgement can say no
    await ada.subscribe("open/#");
    await ada.publish("open/plan", "fine", { qos: 2 });
    assert.deepEqual(await ada.take(1), ["open/plan fine"]);
  });

  Deno.test(`${version}: three members of a group share the messages, each goes to one of them`, async () => {
    await using broker = await TestBroker.start();
    await using clients = new MqttJsClients(broker);
    const all: string[] = [];
    const complete = Promise.withResolvers<void>();
    const members = [];
    for (let number = 0; number < 3; number++) {
      const member = await clients.connect({ protocolVersion });
      member.mqtt.on("message", (_topic, payload) => {
        all.push(payload.toString());
        if (all.length === 300) complete.resolve();
      });
      await member.subscribe("$share/group/jobs/+", { qos: 1 });
      members.push(member);
    }
    const publisher = await clients.connect({ protocolVersion });
    const numbers = Array.from({ length: 300 }, (_, number) => `${number}`);
    await Promise.all(numbers.map((number) => publisher.publish("jobs/new", number, { qos: 1 })));
    await within(complete.promise, "300 messages");
    for (const member of members) await member.mqtt.unsubscribeAsync("no/such/filter"); // behind all that was sent
    assert.deepEqual(all.toSorted((one, other) => Number(one) - Number(other)), numbers);
    for (const { received } of members) assert.ok(received.length > 0, "a member got nothing");
  });
}

Deno.test("MQTT.js: clients of all versions hear each other", async () => {
  await using broker = await TestBroker.start();
  await using clients = new MqttJsClients(broker);
  const fleet = [];
  for (const protocolVersion of [3, 4, 5] as const) {
    const client = await clients.connect({ protocolVersion });
    await client.subscribe("common");
    fleet.push(client);
  }
  for (const sender of fleet) {
    await sender.publish("common", sender.clientId, { qos: 2 });
    for (const receiver of fleet) assert.deepEqual(await receiver.take(1), [`common ${sender.clientId}`]);
  }
});

Deno.test("MQTT.js: a version that the listener does not speak is refused in the words of that version", async () => {
  await using old = await TestBroker.start({ listen: { protocol: "v3" } });
  await using oldClients = new MqttJsClients(old);
  assert.equal(await oldClients.refused({ protocolVersion: 5 }), 0x84);
  await using young = await TestBroker.start({ listen: { protocol: "v5" } });
  await using youngClients = new MqttJsClients(young);
  assert.equal(await youngClients.refused({ protocolVersion: 4 }), 1);
});

Deno.test("MQTT.js: a client without an id gets one with v5, and may have none with 3.1.1 and clean session", async () => {
  await using broker = await TestBroker.start();
  await using clients = new MqttJsClients(broker);
  const young = await clients.connect({ clientId: "" });
  assert.match(young.connack.properties?.assignedClientIdentifier ?? "", /^.+$/);
  await clients.connect({ clientId: "", protocolVersion: 4 });
  // MQTT.js does not write a 3.1 CONNECT without an id, so its refusal is for other tests
});

import assert from "node:assert/strict";
import { TestBroker } from "../support/broker.ts";
import { connect, packet, publish, subscribe, uint16 } from "./bytes.ts";
import { RawPeer } from "./raw_peer.ts";
import { Witness } from "./witness.ts";

const four = (value: number) => Uint8Array.of(0, 0, value >> 8, value);

/** What a client that connects with this Maximum Packet Size, asks for this and that, and errs, is told in all. */
async function told(broker: TestBroker, maximum: number): Promise<Uint8Array[]> {
  using peer = await RawPeer.open(broker.port);
  await peer.send(connect({ properties: [0x27, four(maximum)] }));
  await peer.send(subscribe("tiny", { qos: 1 }));
  await peer.send(packet(0x82, uint16(2), 0, ...Array.from({ length: 50 }, (_, i) => [`tiny/${i}`, 0])));
  await peer.send(publish("tiny", { qos: 1, payload: new Uint8Array(60) }));
  await peer.send(publish("a+", { qos: 1 }));
  return await peer.untilClosed();
}

for (const maximum of [1, 2, 4, 8, 15, 20, 30, 100]) {
  Deno.test(`[MQTT-3.1.2-24] nothing larger than ${maximum} bytes is sent to a client that takes no more`, async () => {
    await using broker = await TestBroker.start();
    const witness = await Witness.on(broker);
    for (const bytes of await told(broker, maximum)) {
      assert.ok(bytes.length <= maximum, `a packet of ${bytes.length} bytes: ${bytes.subarray(0, 30).toHex()}`);
    }
    await witness.check();
  });
}

Deno.test("[MQTT-3.1.2-24] a refusing CONNACK keeps to the client's Maximum Packet Size", async () => {
  await using broker = await TestBroker.start({ protocol: { allowZeroLengthClientId: false } });
  for (const maximum of [1, 4, 5, 10, 20]) {
    using peer = await RawPeer.open(broker.port);
    await peer.send(connect({ clientId: "", properties: [0x27, four(maximum)] }));
    for (const bytes of await peer.untilClosed()) assert.ok(bytes.length <= maximum, `${bytes.length} of ${maximum}`);
  }
});

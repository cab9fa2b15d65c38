/** The CoAP door and MQTT clients: what goes in by one comes out of the other, with what both can say. */
import assert from "node:assert/strict";
import { connectAsync, type IClientPublishOptions, type IPublishPacket } from "mqtt";
import { WeirBroker } from "../../mod.ts";
import { encode } from "../../src/bridge/coap/codec.ts";
import {
  type CoapMessage,
  type CoapOption,
  Code,
  MessageType,
  OptionNumber,
  uintOf,
  uintOption,
} from "../../src/bridge/coap/message.ts";
import { OBSERVE, text, textOf, valueOf } from "./door_scene.ts";
import { optionsOf } from "./options.ts";
import { UdpPeer } from "./udp_peer.ts";

const TOKEN = Uint8Array.of(7);

async function start(version: 4 | 5) {
  const broker = await WeirBroker.start({ sysIntervalMs: 0 });
  const [tcp, udp] = [broker.listen({ port: 0 }), broker.listenCoap({ port: 0 })];
  const client = await connectAsync(`mqtt://127.0.0.1:${tcp.port}`, { protocolVersion: version, reconnectPeriod: 0 });
  const peer = new UdpPeer(udp.port, { answersPings: true });
  const send = (code: number, path: string, { options = [], payload = text("") }: {
    options?: readonly CoapOption[];
    payload?: Uint8Array;
  } = {}) => {
    const all = [...optionsOf(path), ...options];
    const messageId = peer.received.length + 1;
    return peer.send(encode({ type: MessageType.confirmable, code, messageId, token: TOKEN, options: all, payload }));
  };
  const end = async () => {
    await client.endAsync();
    await peer[Symbol.asyncDispose]();
    await broker.stop();
  };
  return { client, peer, send, end };
}

for (const version of [4, 5] as const) {
  for (const qos of [0, 1, 2] as const) {
    Deno.test(`CoAP: what is posted with QoS ${qos} reaches an MQTT client of version ${version}`, async () => {
      const { client, send, end } = await start(version);
      await client.subscribeAsync("a/#", { qos: 2 });
      const arrival = new Promise<IPublishPacket>((resolve) =>
        client.once("message", (_, __, packet) => resolve(packet))
      );
      const options = [uintOption(OptionNumber.contentFormat, 50)];
      await send(Code.post, `/ps/a/b?qos=${qos}&expiry=100`, { options, payload: text("{}") });
      const packet = await arrival;
      const { topic, payload, retain } = packet;
      assert.deepEqual([topic, payload.toString(), packet.qos, retain], ["a/b", "{}", qos, false]);
      if (version === 5) {
        assert.deepEqual(
          [packet.properties?.contentType, packet.properties?.messageExpiryInterval],
          ["application/json", 100],
        );
      }
      await end();
    });
  }

  Deno.test(`CoAP: what an MQTT client of version ${version} publishes reaches an observer, and who reads`, async () => {
    const { client, peer, send, end } = await start(version);
    await send(Code.get, "/ps/a/%2B?qos=2", { options: [OBSERVE] });
    await peer.next(({ code }) => code === Code.content);
    const properties = {
      contentType: "application/cbor",
      messageExpiryInterval: 30,
      userProperties: { dropped: "yes" },
    };
    const wish: IClientPublishOptions = { qos: 2, retain: true, ...version === 5 ? { properties } : {} };
    await client.publishAsync("a/b", "\u00a0", wish);
    const told = await peer.next(({ code, type }) => code === Code.content && type === MessageType.confirmable);
    await send(Code.get, "/ps/a/b");
    const read = await peer.next((message) => message !== told && message.payload.length > 0);
    for (const message of [told, read] as CoapMessage[]) {
      assert.equal(textOf(message), "\u00a0");
      const format = valueOf(message, OptionNumber.contentFormat);
      assert.equal(format === undefined ? undefined : uintOf(format), version === 5 ? 60 : undefined);
      const age = valueOf(message, OptionNumber.maxAge);
      assert.equal(age !== undefined && uintOf(age) <= 30, version === 5);
    }
    await end();
  });
}

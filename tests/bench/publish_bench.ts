// A chunk of PUBLISH packets from its bytes to the bytes for its subscribers, with everything between but the sockets.
// Every figure is for a chunk of 100 packets with 64 bytes of payload; divide by 100 and by the subscribers.
import type { QoS } from "../../src/core/message.ts";
import { SendKind } from "../../src/core/effects.ts";
import { ALLOW_ALL } from "../../src/auth/authenticator.ts";
import type { Endpoint } from "../../src/protocol/endpoint.ts";
import { PacketHandler } from "../../src/protocol/packet_handler.ts";
import { PublishWriter } from "../../src/protocol/publish_writer.ts";
import { BufferPool } from "../../src/wire/buffer_pool.ts";
import { FrameReader } from "../../src/wire/frame_reader.ts";
import { Outbox } from "../../src/wire/outbox.ts";
import type { ProtocolVersion } from "../../src/wire/packet.ts";
import { PublishShape, writePublish } from "../../src/wire/publish.ts";
import { attachRequestOf, messageOf, optionsOf } from "../core/building.ts";
import { brokerOf, endpointOf } from "../protocol/building.ts";

const PACKETS = 100;
const TOPIC = "building/12/floor/3/room/42";

interface Case {
  readonly version: ProtocolVersion;
  readonly qos: QoS;
  readonly subscribers: number;
}

const CASES: readonly Case[] = [
  { version: 4, qos: 0, subscribers: 0 },
  { version: 4, qos: 0, subscribers: 1 },
  { version: 5, qos: 0, subscribers: 1 },
  { version: 4, qos: 1, subscribers: 1 },
  { version: 5, qos: 1, subscribers: 1 },
  { version: 4, qos: 0, subscribers: 10 },
  { version: 4, qos: 0, subscribers: 1_000 },
];

/** One publisher and its subscribers around a broker. */
class Room {
  readonly #world = brokerOf({ inflightMax: 65_535 });
  readonly #packets = new PacketHandler(this.#world.broker, this.#world.topics, this.#world.turn);
  readonly #writer = new PublishWriter();
  readonly #pool = new BufferPool();
  readonly #frames = new FrameReader(1 << 20);
  readonly #chunk: Uint8Array;
  readonly #publisher: Endpoint;
  readonly #everybody: readonly Endpoint[];

  constructor(options: Case) {
    this.#chunk = chunkOf(options);
    this.#publisher = this.#join("publisher", options.version);
    const subscribers = Array.from({ length: options.subscribers }, (_, index) => {
      const endpoint = this.#join(`subscriber-${index}`, options.version);
      const request = { packetId: 1, requests: [optionsOf(TOPIC)] };
      this.#world.broker.subscribe(endpoint.session!, request, this.#world.turn);
      return endpoint;
    });
    this.#world.turn.effects.clear();
    this.#everybody = [this.#publisher, ...subscribers];
  }

  /** Reads the chunk, decides, writes to every outbox, takes what they hold; QoS 1 is settled at once. */
  publish(): void {
    const { turn } = this.#world;
    this.#frames.push(this.#chunk);
    while (this.#frames.next()) this.#packets.handle(this.#publisher, this.#frames);
    const { effects } = turn;
    for (let index = 0; index < effects.length; index++) {
      const send = effects.sends[index];
      (send.peer as Endpoint).speak(send, turn);
      if (send.kind === SendKind.publish && send.packetId !== 0) send.session!.settle(send.packetId, turn);
    }
    this.#writer.forget();
    effects.clear();
    for (const { outbox } of this.#everybody) outbox.recycle(outbox.take());
  }

  #join(clientId: string, version: ProtocolVersion): Endpoint {
    const endpoint = endpointOf({ version, pool: this.#pool, writer: this.#writer });
    const request = attachRequestOf(clientId, { peer: endpoint, expirySeconds: 0 });
    endpoint.session = this.#world.broker.attach(request, this.#world.turn);
    endpoint.policy = ALLOW_ALL;
    return endpoint;
  }
}

function chunkOf({ version, qos }: Case): Uint8Array {
  const out = new Outbox();
  const message = messageOf(TOPIC, { payload: "x".repeat(64), qos });
  for (let packetId = 1; packetId <= PACKETS; packetId++) {
    writePublish(out, message, Object.assign(new PublishShape(), { version, qos, packetId: qos === 0 ? 0 : packetId }));
  }
  return out.take();
}

for (const each of CASES) {
  const room = new Room(each);
  const { version, qos, subscribers } = each;
  Deno.bench({ name: `publish QoS ${qos}, v${version}, ${subscribers} subscribers`, group: "publish" }, () => {
    room.publish();
  });
}

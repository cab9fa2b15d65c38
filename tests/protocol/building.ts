// What the tests of the protocol edge are built from: an endpoint over an outbox, and what was said to it, decoded.
import type { Packet } from "mqtt-packet";
import { Broker } from "../../src/core/broker.ts";
import { DEFAULT_LIMITS, type Limits } from "../../src/core/limits.ts";
import { Turn } from "../../src/core/turn.ts";
import { Endpoint } from "../../src/protocol/endpoint.ts";
import { PublishWriter } from "../../src/protocol/publish_writer.ts";
import type { EndpointSettings } from "../../src/protocol/settings.ts";
import { AliasesOut } from "../../src/protocol/topic_alias.ts";
import { TopicTable } from "../../src/protocol/topic_table.ts";
import { BufferPool } from "../../src/wire/buffer_pool.ts";
import { FrameReader } from "../../src/wire/frame_reader.ts";
import { OutboxPool } from "../../src/wire/outbox_pool.ts";
import { PACKET_BYTES_MAX, type ProtocolVersion } from "../../src/wire/packet.ts";
import { libraryGenerate } from "../wire/library.ts";

const SETTINGS: EndpointSettings = {
  limits: DEFAULT_LIMITS,
  versions: [3, 4, 5],
  packetBytesMax: PACKET_BYTES_MAX,
  connectBytesMax: 65_535,
  outboxBytesMax: 16 * 1024 * 1024,
  topicAliasMaximum: 10,
  topicAliasMaximumOutbound: 10,
  keepAliveSecondsMax: 0,
  validatePayloadFormat: false,
  responseInformation: "",
  allowZeroLengthClientId: true,
  strictReceiveMaximum: true,
  strictKeepAlive: true,
};

export interface EndpointOptions {
  readonly version?: ProtocolVersion;
  readonly aliases?: number;
  readonly packetBytesMax?: number;
  readonly pool?: BufferPool;
  readonly writer?: PublishWriter;
  readonly settings?: Partial<EndpointSettings>;
}

/** An endpoint that has been told that it is connected. */
export function endpointOf(options: EndpointOptions = {}): Endpoint {
  const { version = 5, aliases = 0, packetBytesMax = PACKET_BYTES_MAX } = options;
  const endpoint = new Endpoint({
    settings: { ...SETTINGS, ...options.settings },
    writer: options.writer ?? new PublishWriter(),
    owner: { outboxes: new OutboxPool(options.pool ?? new BufferPool()), transmit() {} },
  });
  endpoint.version = version;
  endpoint.packetBytesMax = packetBytesMax;
  endpoint.isOpen = true;
  if (aliases > 0) endpoint.aliasesOut = new AliasesOut(aliases);
  return endpoint;
}

/** A broker with its turn and topics. */
export function brokerOf(limits: Partial<Limits> = {}): { broker: Broker; turn: Turn; topics: TopicTable } {
  const all = { ...DEFAULT_LIMITS, ...limits };
  return { broker: new Broker(all), turn: new Turn(all), topics: new TopicTable(all) };
}

/** One packet of another library's making, as the broker's reader stands at it. */
export function frameOf(packet: Packet, version: ProtocolVersion): FrameReader {
  const reader = new FrameReader(PACKET_BYTES_MAX);
  reader.push(libraryGenerate(packet, version));
  if (!reader.next()) throw new Error(`Cannot read ${packet.cmd}: it is not whole`);
  return reader;
}

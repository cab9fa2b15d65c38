import type { AuthenticationMethod, Authenticator, PeerCertificate } from "../auth/authenticator.ts";
import type { Broker } from "../core/broker.ts";
import type { Happening } from "../core/happening.ts";
import type { Turn } from "../core/turn.ts";
import type { ConnectHandler } from "../protocol/connect_handler.ts";
import type { PacketHandler } from "../protocol/packet_handler.ts";
import type { PublishWriter } from "../protocol/publish_writer.ts";
import type { EndpointSettings } from "../protocol/settings.ts";
import type { ByteChannel } from "../transport/byte_channel.ts";
import type { ReadRounds } from "../transport/read_rounds.ts";
import type { FrameReaderPool } from "../wire/frame_reader_pool.ts";
import type { OutboxPool } from "../wire/outbox_pool.ts";
import type { Clock } from "./clock.ts";
import type { CommitLoop } from "./commit_loop.ts";
import type { ConnectionWriters } from "./connection_writer.ts";
import type { Metering } from "./metering.ts";
import type { Traffic } from "./traffic.ts";

/** What the connections of a broker share. */
export interface ConnectionParts {
  readonly broker: Broker;
  readonly turn: Turn;
  readonly loop: CommitLoop;
  readonly clock: Clock;
  readonly connects: ConnectHandler;
  readonly packets: PacketHandler;
  readonly writer: PublishWriter;
  readonly outboxes: OutboxPool;
  readonly frames: FrameReaderPool;
  readonly writers: ConnectionWriters;
  readonly traffic: Traffic;
  readonly authenticator: Authenticator;
  readonly methods: ReadonlyMap<string, AuthenticationMethod>;
  readonly metering: Metering;
  readonly rounds: ReadRounds;
  readonly connectTimeoutMs: number;
  readonly writeTimeoutMs: number;
  readonly onError: (error: unknown, context: string) => void;
  readonly onRefusal: (refusal: Extract<Happening, { kind: "connection-refused" }>) => void;
}

/** One connection as a transport hands it over, with what its listener asks of it. */
export interface ConnectionSource {
  readonly channel: ByteChannel;
  readonly remoteAddress: string;
  /** The name of the listener; empty when the connection came by none. */
  readonly listener: string;
  /** What the listener has verified of its client, if it asks for that. */
  readonly certificate?: PeerCertificate;
  readonly settings: EndpointSettings;
}

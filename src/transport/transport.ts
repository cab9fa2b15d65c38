import type { ByteChannel } from "./byte_channel.ts";
import type { ClientCertificate } from "./certificate.ts";

/** One client's bytes both ways, as Web Streams. A transport knows no MQTT.
 * A chunk of `readable` is valid until the next one is asked for: the buffer behind it may be filled again. Closing `writable`
 * ends the sending side only; cancelling `readable` or aborting `writable` ends the connection. */
export interface ByteStreams {
  /** What the peer sends. */
  readonly readable: ReadableStream<Uint8Array>;
  /** What is sent to the peer. */
  readonly writable: WritableStream<Uint8Array>;
}

/** A connection as a listener hands it over. */
export interface TransportConnection {
  /** The peer's IP address, without port. */
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly channel: ByteChannel;
  /** What a TLS listener has verified of its client; undefined where it asks for none or there was none. */
  readonly certificate?: ClientCertificate;
}

/** Why a transport does not let a peer in, or on. */
export interface PeerFault {
  /** `stranger` speaks something else than is spoken here, or not as it should; `late` took too long; `unwelcome` may not. */
  readonly kind: "stranger" | "late" | "unwelcome";
  /** For people. */
  readonly reason: string;
}

/** Told of each peer that is not let in, by its address. */
export type OnRefusedPeer = (address: string, fault: PeerFault) => void;

/** An open door. */
export interface TransportListener {
  /** What it is bound to, with the port that the system chose. */
  readonly hostname: string;
  readonly port: number;
  /** Each connection once; ends when the listener is closed. */
  readonly connections: AsyncIterable<TransportConnection>;
  close(): void;
}

import { getLogger } from "@logtape/logtape";
import { isLoopback } from "../address/address_ranges.ts";
import type { Gateway } from "../bridge/gateway.ts";
import type { RefusalCause } from "../core/refusal.ts";
import { wordsOf } from "../core/text.ts";
import type { HttpListener } from "../transport/http.ts";
import { behindProxy } from "../transport/proxy/behind_proxy.ts";
import { type ProxyProtocolOptions, TrustedProxies } from "../transport/proxy/trusted_proxies.ts";
import { listenTcp } from "../transport/tcp.ts";
import { listenTls, type TlsListener, type TlsOptions } from "../transport/tls.ts";
import type { OnRefusedPeer, PeerFault, TransportListener } from "../transport/transport.ts";
import { type UpgradeRules, upgradeRules, type WebSocketOptions } from "../transport/websocket/upgrade.ts";
import { WebSocketChannel } from "../transport/websocket/websocket_channel.ts";
import { CoapListener, type CoapListenerParts, type ListenCoapOptions } from "./coap_listener.ts";
import { Connection } from "./connection.ts";
import type { ConnectionParts } from "./connection_parts.ts";
import type { ConnectionTable } from "./connection_table.ts";
import { type ListenHttpOptions, openHttp } from "./http_listener.ts";
import { endpointSettings, type ListenerPolicy, type ResolvedOptions } from "./options.ts";

/** Where to listen. */
export interface ListenOptions extends ListenerPolicy {
  /** In messages and logs. When absent: `tcp`, `tls`, or with `webSocket` `ws` and `wss`. */
  readonly name?: string;
  /** `127.0.0.1` when absent: nobody but this machine. */
  readonly hostname?: string;
  /** 1883 when absent, 8083 with `webSocket`; 0 lets the system choose. */
  readonly port?: number;
  /** Sends small packets at once; true. */
  readonly noDelay?: boolean;
  /** Speaks MQTT over WebSocket, and only that; `{}` does so at `/mqtt`, for pages from the same host and for programs. */
  readonly webSocket?: WebSocketOptions;
  /** Expects a PROXY header (version 1 or 2) at the start of each connection: the client is where that says. */
  readonly proxyProtocol?: ProxyProtocolOptions;
}

/** Where to listen for TLS connections. */
export interface ListenTlsOptions extends ListenOptions {
  /** 8883 when absent, 8084 with `webSocket`; 0 lets the system choose. */
  readonly port?: number;
  /** How the listener proves who it is, and what it asks of its clients. */
  readonly tls: TlsOptions;
}

/** An open listener. */
export interface ListenerAddress {
  /** As given to `listen`. */
  readonly name: string;
  /** What it is bound to. */
  readonly hostname: string;
  /** The port that the system chose, when 0 was asked for. */
  readonly port: number;
}

/** As what a fault that a transport finds is told. */
const CAUSE_OF: Readonly<Record<PeerFault["kind"], RefusalCause>> = {
  stranger: "protocol-error",
  late: "maximum-connect-time",
  unwelcome: "not-authorized",
};

/** A listener's own rules. */
interface Door extends ListenerPolicy {
  readonly name: string;
  /** Set when MQTT comes in WebSocket frames. */
  readonly rules: UpgradeRules | undefined;
}

/** What the listeners are given to work with. */
export interface ListenersParts {
  readonly options: ResolvedOptions;
  readonly connections: ConnectionTable;
  readonly connectionParts: ConnectionParts;
}

/** The open listeners of a broker, and the connections that come in by them. */
export class Listeners {
  readonly #parts: ListenersParts;
  readonly #open: TransportListener[] = [];
  readonly #coap: CoapListener[] = [];
  readonly #http: HttpListener[] = [];
  readonly #tls = new Map<string, Pick<TlsListener, "renew">>();
  readonly #serving: Promise<void>[] = [];
  #acceptErrorAt = -Infinity;
  #isClosed = false;

  constructor(parts: ListenersParts) {
    this.#parts = parts;
  }

  /** @throws {RangeError} for a path, an origin or a trusted address that is none
   * @throws {Deno.errors.AddrInUse} and whatever else the system says */
  open(options: ListenOptions): ListenerAddress {
    const { webSocket, proxyProtocol, name = webSocket ? "ws" : "tcp", hostname = "127.0.0.1" } = options;
    const { port = webSocket ? 8083 : 1883, noDelay = true } = options;
    const rules = rulesOf(options, hostname);
    const proxies = proxyProtocol && new TrustedProxies(proxyProtocol);
    const onAcceptError = (error: unknown) => this.#onAcceptError(error, name);
    const listener = listenTcp({ hostname, port, noDelay, rounds: this.#parts.connectionParts.rounds, onAcceptError });
    const front = { proxies: proxies!, headerTimeoutMs: this.#connectTimeoutMs, onRefusedPeer: this.#refusing(name) };
    return this.#add(proxies === undefined ? listener : behindProxy(listener, front), { ...options, name, rules });
  }

  /** @throws {Error} when certificate, key or lists are not usable, and as the system says */
  async openTls(options: ListenTlsOptions): Promise<ListenerAddress> {
    const { webSocket, name = webSocket ? "wss" : "tls", hostname = "127.0.0.1" } = options;
    const { port = webSocket ? 8084 : 8883, noDelay = true, tls, proxyProtocol } = options;
    const rules = rulesOf(options, hostname);
    const onAcceptError = (error: unknown) => this.#onAcceptError(error, name);
    const { rounds } = this.#parts.connectionParts;
    const listener = await listenTls({
      hostname,
      port,
      noDelay,
      rounds,
      tls,
      onAcceptError,
      onRefusedPeer: this.#refusing(name),
      enter: this.#enter,
      handshakeTimeoutMs: this.#connectTimeoutMs,
      proxies: proxyProtocol && new TrustedProxies(proxyProtocol),
    });
    if (this.#isClosed) return await tooLate(listener.close());
    this.#tls.set(name, listener);
    return this.#add(listener, { ...options, name, rules });
  }

  /** @throws {Deno.errors.AddrInUse} and whatever else the system says */
  openCoap(options: ListenCoapOptions, gateway: CoapListenerParts["gateway"]): ListenerAddress {
    const { clock, onError } = this.#parts.connectionParts;
    const listener = new CoapListener(options, { gateway, clock, onError });
    this.#coap.push(listener);
    const { name, hostname, port } = listener;
    return { name, hostname, port };
  }

  /** @throws {RangeError} when there is no such listener */
  async renewTls(name: string, tls: TlsOptions): Promise<void> {
    const listener = this.#tls.get(name);
    if (listener === undefined) throw new RangeError(`Cannot renew the TLS listener "${name}": there is none`);
    await listener.renew(tls);
  }

  /** @throws {Error} as the system says, with its code */
  async openHttp(options: ListenHttpOptions, gateway: Gateway): Promise<ListenerAddress> {
    const { connections, connectionParts, options: { connection } } = this.#parts;
    const { traffic, onError } = connectionParts;
    const { name = "http" } = options;
    const listener = await openHttp(options, {
      gateway,
      connections,
      traffic,
      assertMayConnect: (address) => connectionParts.metering.assertMayConnect(address),
      connectTimeoutMs: connection.connectTimeoutMs,
      writeTimeoutMs: connection.writeTimeoutMs,
      onError,
      onRefusedPeer: this.#refusing(name),
    });
    if (this.#isClosed) return await tooLate(listener.close(0));
    if (options.tls !== undefined) this.#tls.set(name, listener);
    this.#http.push(listener);
    const { hostname, port } = listener;
    return { name, hostname, port };
  }

  /** Takes no more MQTT connections; the ports are free when this has settled. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const listener of this.#open) listener.close();
    await Promise.all(this.#serving);
  }

  /** Those of HTTP and CoAP go on to say that the broker is stopping until then; who is not done after `timeoutMs` is cut. */
  async closeBridges(timeoutMs: number): Promise<void> {
    await Promise.all([...this.#http, ...this.#coap].map((listener) => listener.close(timeoutMs)));
  }

  get #connectTimeoutMs(): number {
    return this.#parts.options.connection.connectTimeoutMs;
  }

  #add(listener: TransportListener, policy: Door): ListenerAddress {
    this.#open.push(listener);
    const { onError } = this.#parts.connectionParts;
    this.#serving.push(this.#serve(listener, policy).catch((error) => onError(error, `listener ${policy.name}`)));
    return { name: policy.name, hostname: listener.hostname, port: listener.port };
  }

  async #serve(listener: TransportListener, policy: Door): Promise<void> {
    const { options, connections, connectionParts } = this.#parts;
    const { traffic } = connectionParts;
    const { name, connectionsMax = 10_000, rules } = policy;
    const settings = endpointSettings(options, policy);
    let open = 0;
    const onEnded = () => void open--;
    for await (const connection of listener.connections) {
      const { remoteAddress, certificate } = connection;
      if (open >= connectionsMax || !connections.hasRoomFor(remoteAddress)) {
        traffic.connectionsRejected++;
        connection.channel.close();
        continue;
      }
      const onRefused = (fault: PeerFault) => this.#onRefusedPeer(name, remoteAddress, fault);
      const channel = rules === undefined
        ? connection.channel
        : new WebSocketChannel(connection.channel, { rules, onRefused });
      open++;
      traffic.connectionsAccepted++;
      const source = { channel, remoteAddress, listener: name, certificate, settings };
      connections.track(new Connection(connectionParts, source), onEnded);
    }
  }

  /** Handshakes are counted with the connections of their address. */
  readonly #enter = (remoteAddress: string): (() => void) | undefined => {
    const leave = this.#parts.connections.enter(remoteAddress);
    if (leave === undefined) this.#parts.connectionParts.traffic.connectionsRejected++;
    return leave;
  };

  #refusing(name: string): OnRefusedPeer {
    return (address, fault) => this.#onRefusedPeer(name, address, fault);
  }

  #onRefusedPeer(listener: string, remoteAddress: string, { kind, reason }: PeerFault): void {
    const { traffic, onRefusal } = this.#parts.connectionParts;
    traffic.connectionsRejected++;
    const cause = CAUSE_OF[kind];
    onRefusal({ kind: "connection-refused", remoteAddress, listener, clientId: "", cause, reason });
  }

  /** Out of file descriptors, this comes every few milliseconds: it is told once a minute. */
  #onAcceptError(error: unknown, name: string): void {
    const { traffic, clock } = this.#parts.connectionParts;
    traffic.connectionsRejected++;
    const now = clock.now();
    if (now - this.#acceptErrorAt < 60_000) return;
    this.#acceptErrorAt = now;
    const facts = { listener: name, error: wordsOf(error) };
    getLogger(["weir"]).error("listener {listener} cannot accept connections: {error}", facts);
  }
}

/** While a listener was opened the others were closed, and now it is as well. */
async function tooLate(closed: void | Promise<void>): Promise<never> {
  await closed;
  throw new Error("Cannot listen: the broker has stopped");
}

/** A proxy in front may lead anybody to a listener of this machine. */
function rulesOf({ webSocket, proxyProtocol }: ListenOptions, hostname: string): UpgradeRules | undefined {
  return webSocket && upgradeRules(webSocket, { isLoopback: isLoopback(hostname) && proxyProtocol === undefined });
}

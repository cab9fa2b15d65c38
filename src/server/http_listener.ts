import { isLoopback } from "../address/address_ranges.ts";
import type { Gateway } from "../bridge/gateway.ts";
import { HttpBridge, type HttpBridgeOptions } from "../bridge/http/handler.ts";
import { Refusal } from "../core/refusal.ts";
import { HttpListener } from "../transport/http.ts";
import { type ProxyProtocolOptions, TrustedProxies } from "../transport/proxy/trusted_proxies.ts";
import type { TlsOptions } from "../transport/tls.ts";
import type { OnRefusedPeer } from "../transport/transport.ts";
import type { ConnectionTable } from "./connection_table.ts";
import type { Traffic } from "./traffic.ts";

/** Where and how to listen for HTTP. */
export interface ListenHttpOptions extends HttpBridgeOptions {
  /** In messages and logs; `http` when absent. */
  readonly name?: string;
  /** `127.0.0.1` when absent: nobody but this machine. */
  readonly hostname?: string;
  /** 8080 when absent; 0 lets the system choose. */
  readonly port?: number;
  /** How the listener proves who it is, and what it asks of its clients; in clear text when absent. */
  readonly tls?: TlsOptions;
  /** Expects a PROXY header (version 1 or 2) at the start of each connection: the client is where that says. */
  readonly proxyProtocol?: ProxyProtocolOptions;
  /** Connections at a time; 10,000. */
  readonly connectionsMax?: number;
}

/** What the listener needs of the broker. */
export interface HttpListenerParts {
  readonly gateway: Gateway;
  readonly connections: ConnectionTable;
  readonly traffic: Traffic;
  /** @throws {Refusal} when one connection too many comes from there in a short time */
  readonly assertMayConnect: (remoteAddress: string) => void;
  /** The headers of a request must have arrived in this time. */
  readonly connectTimeoutMs: number;
  /** Where the options say nothing else. */
  readonly writeTimeoutMs: number;
  readonly onError: (error: unknown, context: string) => void;
  readonly onRefusedPeer: OnRefusedPeer;
}

/** Opens the HTTP bridge on a socket.
 * @throws {RangeError} for a trusted address that is none
 * @throws {Error} when certificate, key or lists are not usable, and as the system says, with its code (`EADDRINUSE`) */
export async function openHttp(options: ListenHttpOptions, parts: HttpListenerParts): Promise<HttpListener> {
  const { name = "http", hostname = "127.0.0.1", port = 8080, connectionsMax = 10_000 } = options;
  const { requestTimeoutMs = 30_000, tls, proxyProtocol } = options;
  const { gateway, connections, traffic, connectTimeoutMs, onError, onRefusedPeer } = parts;
  const { writeTimeoutMs = parts.writeTimeoutMs } = options;
  const bridge = new HttpBridge({
    ...options,
    writeTimeoutMs,
    gateway,
    listener: name,
    isLoopback: isLoopback(hostname) && proxyProtocol === undefined, // no page can speak as a proxy
    onError,
  });
  return await HttpListener.open({
    hostname,
    port,
    tls,
    proxies: proxyProtocol && new TrustedProxies(proxyProtocol),
    onRefusedPeer,
    connectionsMax,
    headersTimeoutMs: connectTimeoutMs,
    writeTimeoutMs,
    requestTimeoutMs: connectTimeoutMs + 2 * requestTimeoutMs, // the bridge itself is faster, and says so
    enter: (address) => {
      const leave = connections.enter(address);
      if (leave === undefined) traffic.connectionsRejected++;
      else traffic.connectionsAccepted++;
      return leave;
    },
    refusalOf: (address) => refusalOf(() => parts.assertMayConnect(address)),
    onRequest: (request) => bridge.handle(request),
    onError: (error) => onError(error, `listener ${name}`),
  });
}

/** A bridge for requests that arrive by a server of the program's own. The target is taken as it was sent, since `..` and `//` are part of
 * a topic. */
export function fetchHandler(bridge: HttpBridge): FetchHandler {
  return (request, info) => {
    const { method, url, headers, body } = request;
    const at = url.indexOf("/", url.indexOf("://") + 3);
    const target = at < 0 ? "/" : url.slice(at);
    const address = info?.remoteAddr !== undefined && "hostname" in info.remoteAddr ? info.remoteAddr.hostname : "";
    return bridge.handle({
      method,
      target,
      headers,
      body,
      get signal() { // only where it is wanted: the runtime warns whoever looks at it
        return request.signal;
      },
      remoteAddress: address,
    });
  };
}

/** As `Deno.serve` calls it. */
export type FetchHandler = (request: Request, info?: { readonly remoteAddr: Deno.Addr }) => Promise<Response>;

function refusalOf(assert: () => void): Refusal | undefined {
  try {
    assert();
  } catch (error) {
    if (error instanceof Refusal) return error;
    throw error;
  }
}

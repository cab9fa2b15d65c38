import type { ListenerProtocol } from "../config.ts";
import { addressRanges, origins } from "../list_type.ts";
import { optional, required, setting } from "../setting.ts";
import { address, addressOrNone, label, text, urlPath } from "../text_type.ts";
import { choice, count, duration, flag, size, tlsVersion } from "../value_type.ts";

const CONNECTIONS_MAX = 1_000_000;
const PACKET_BYTES_MAX = 256 * 1024 ** 2; // MQTT itself ends there

/** `server`: the doors, and what holds for a connection whatever it says. */
export const SERVER_SETTINGS = {
  "server.tcp_addr": setting({
    type: addressOrNone(),
    initial: { hostname: "127.0.0.1", port: 1883 },
    about:
      'Where MQTT clients connect over TCP; this listener is called `tcp`. `":1883"` is every address, IPv4 and IPv6; ' +
      '`""` switches it off when `listeners` has others.',
  }),
  "server.tcp_max_connections": setting({
    type: count({ from: 1, to: CONNECTIONS_MAX }),
    initial: 10_000,
    about: "Connections of one listener, those that have not sent CONNECT yet included.",
    atLimit: "A further connection is closed as soon as it is accepted, before anything of it is read, and counted.",
  }),
  "server.max_connections_per_address": setting({
    type: count({ from: 0, to: CONNECTIONS_MAX }),
    initial: 0,
    about: "Connections from one IP address over all listeners. 0 is unlimited.",
    atLimit: "A further connection from that address is closed as soon as it is accepted, and counted.",
  }),
  "server.connect_timeout": setting({
    type: duration({ from: "100ms", to: "5m" }),
    initial: 10_000,
    about:
      "CONNECT must have arrived and the login be done this long after the connection was opened. A TLS handshake before it, and a PROXY " +
      "header, have as long.",
    atLimit: "The connection is closed without a packet; MQTT 5 clients in the middle of a login get CONNACK 0x80.",
  }),
  "server.connect_max_bytes": setting({
    type: size({ from: 128, to: PACKET_BYTES_MAX }),
    initial: 128 * 1024,
    about:
      "Largest CONNECT packet, will and password included, each of which may have 65,535 bytes. Never more than `broker.max_message_size`.",
    atLimit: "The connection is closed without a packet: nobody has said who is there.",
  }),
  "server.tcp_write_timeout": setting({
    type: duration({ from: "1s", to: "1h" }),
    initial: 60_000,
    about: "How long a client may take no byte while the broker has something for it.",
    atLimit: "The connection is cut; the will is published and the session is kept as after any lost connection.",
  }),
  "server.outbox_max_bytes": setting({
    type: size({ from: 4096, to: 1024 ** 3 }),
    initial: 1024 ** 2,
    about: "Bytes that may wait in memory for one client that reads slowly.",
    atLimit: "QoS 0 messages for that client are dropped and counted; QoS 1 and 2 wait in its session's queue.",
  }),
  "server.tcp_nodelay": setting({
    type: flag(),
    initial: true,
    about: "Send small packets at once (TCP_NODELAY) instead of gathering them in the kernel.",
  }),
  "server.strict_receive_maximum": setting({
    type: flag(),
    initial: true,
    about:
      "Whether an MQTT 5 client that has more QoS 2 messages under way than `session.receive_maximum` is cut ([MQTT-3.3.4-9]) " +
      "or borne with. 3.1.1 has no such maximum.",
    atLimit: "DISCONNECT 0x93 (Receive Maximum exceeded).",
  }),
  "server.strict_keep_alive": setting({
    type: flag(),
    initial: true,
    about: "Whether a client is cut when it was silent for 1.5 keep alives ([MQTT-3.1.2-22]); `false` waits for 3.",
    atLimit: "MQTT 5: DISCONNECT 0x8D (Keep Alive timeout). 3.1.1: the connection is closed. The will is published.",
  }),
  "server.shutdown_timeout": setting({
    type: duration({ from: "0s", to: "10m" }),
    initial: 30_000,
    about: "How long a stop waits for connections to take what is on its way to them.",
    atLimit: "What is still connected is cut. MQTT 5 clients were sent DISCONNECT 0x8B (Server shutting down) first.",
  }),
};

/** `server.ws_*`: MQTT over WebSocket. */
export const WEBSOCKET_SETTINGS = {
  "server.ws_enabled": setting({
    type: flag(),
    initial: false,
    about: "Whether MQTT clients can connect over WebSocket, as those in browsers do; this listener is called `ws`.",
  }),
  "server.ws_addr": setting({
    type: address(),
    initial: { hostname: "127.0.0.1", port: 8083 },
    about: "Where they connect. For WebSocket over TLS give an entry of `listeners` a `path` and a `cert_file`.",
  }),
  "server.ws_path": setting<string>({
    type: urlPath(),
    initial: "/mqtt",
    about: "The path of the URL.",
    atLimit: "Another path is answered with 404.",
  }),
  "server.ws_allowed_origins": setting<readonly string[]>({
    type: origins(),
    initial: [],
    about:
      "The pages that may connect: a scheme, host and port, a host, `*.example.com` for a host and all below it, or `*`. Without one " +
      "only pages from the host that the connection goes to, or where only this machine can connect those of this machine, such as " +
      "http://localhost:5173. Programs that are no browsers send no origin and are let in.",
    atLimit: "A page of another origin is answered with 403.",
  }),
};

/** `server.listeners[]`. */
export const LISTENER_FIELDS = {
  name: required(label(), "Unique; `tcp` is taken while `server.tcp_addr` is on. Names it in logs and metrics."),
  addr: required(address(), "As `server.tcp_addr`."),
  max_connections: optional(count({ from: 1, to: CONNECTIONS_MAX }), "In place of `server.tcp_max_connections`."),
  strict_receive_maximum: optional(flag(), "In place of `server.strict_receive_maximum`."),
  strict_keep_alive: optional(flag(), "In place of `server.strict_keep_alive`."),
  protocol: optional(
    choice<ListenerProtocol>(["auto", "v3", "v5"]),
    "MQTT versions: `v3` is 3.1 and 3.1.1, `v5` is 5.0, `auto` (the default) is both. Others are refused in CONNACK " +
      "(3.1.1: 0x01, MQTT 5: 0x84).",
  ),
  path: optional(urlPath(), "Speaks MQTT over WebSocket, and only that, at this path of the URL, such as `/mqtt`."),
  allowed_origins: optional(origins(), "As `server.ws_allowed_origins`; needs `path`."),
  trusted_proxies: optional(
    addressRanges(),
    "Expects a PROXY header (version 1 or 2) at the start of each connection, from these addresses alone: the client is where that " +
      "says. On a TLS listener it stands before the handshake.",
  ),
  cert_file: optional(
    file(),
    "The certificate that the listener shows, with those between it and the root (PEM). Makes it a TLS listener. Read again at " +
      "SIGHUP, as the other files.",
  ),
  key_file: optional(file(), "The private key of the certificate (PEM, not encrypted)."),
  client_auth: optional(
    choice(["none", "request", "require"]),
    "Whether clients are asked for a certificate: `none` (the default); `request` lets in who has none, but nobody with one that is " +
      "not valid; `require`.",
  ),
  ca_file: optional(file(), "Who signs the certificates of clients (PEM)."),
  crl_file: optional(
    file(),
    "Revocation lists of `ca_file` (PEM), one for each authority. Clients whose certificate is revoked are not let in, and nobody is " +
      "once the list is out of date.",
  ),
  min_version: optional(tlsVersion(), "The oldest version of TLS that is spoken; 1.2."),
};

function file() {
  return text({ from: 1, to: 4096 });
}

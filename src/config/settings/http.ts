import { addressRanges, origins } from "../list_type.ts";
import { setting } from "../setting.ts";
import { address, pathOrNone } from "../text_type.ts";
import { choice, count, duration, flag, size, tlsVersion } from "../value_type.ts";

/** `server.http_*`: the HTTP bridge. */
export const HTTP_SETTINGS = {
  "server.http_enabled": setting({
    type: flag(),
    initial: false,
    about: "Whether HTTP clients may publish and subscribe: docs/doors/http.md.",
  }),
  "server.http_addr": setting({
    type: address(),
    initial: { hostname: "127.0.0.1", port: 8080 },
    about:
      "Where HTTP clients connect; this listener is called `http`. As `server.tcp_addr`. While it stands on this machine only, " +
      "requests that name another host are refused, so that no page in a browser can lead here.",
  }),
  "server.http_cert_file": setting({
    type: pathOrNone(),
    initial: null,
    about:
      "The certificate that the HTTP listener shows, with those between it and the root (PEM). Makes it HTTPS. Read again at SIGHUP, " +
      "as the other files.",
  }),
  "server.http_key_file": setting({
    type: pathOrNone(),
    initial: null,
    about: "The private key of the certificate (PEM, not encrypted).",
  }),
  "server.http_client_auth": setting<"none" | "request" | "require">({
    type: choice(["none", "request", "require"]),
    initial: "none",
    about: "Whether HTTP clients are asked for a certificate, as `client_auth` of `server.listeners`.",
  }),
  "server.http_ca_file": setting({
    type: pathOrNone(),
    initial: null,
    about: "Who signs the certificates of HTTP clients (PEM).",
  }),
  "server.http_crl_file": setting({
    type: pathOrNone(),
    initial: null,
    about: "Revocation lists of `http_ca_file` (PEM), as `crl_file` of `server.listeners`.",
  }),
  "server.http_min_version": setting<"1.2" | "1.3">({
    type: tlsVersion(),
    initial: "1.2",
    about: "The oldest version of TLS that is spoken.",
  }),
  "server.http_trusted_proxies": setting<readonly string[]>({
    type: addressRanges(),
    initial: [],
    about:
      "Expects a PROXY header (version 1 or 2) at the start of each HTTP connection, from these addresses alone, as `trusted_proxies` " +
      "of `server.listeners`: docs/doors/proxy.md. Without any, connections are taken as they come.",
    atLimit: "A connection from elsewhere, or without a header, is cut off and told in the log.",
  }),
  "server.http_max_connections": setting({
    type: count({ from: 1, to: 1_000_000 }),
    initial: 10_000,
    about: "HTTP connections at a time.",
    atLimit: "A further connection is closed as soon as it is accepted, and counted.",
  }),
  "server.http_max_body_size": setting({
    type: size({ from: 1024, to: 256 * 1024 ** 2 }),
    initial: 4 * 1024 ** 2,
    about:
      "Largest body of an HTTP request: one payload, or a batch of messages. A message is held to `broker.max_message_size` besides.",
    atLimit: "413, as soon as it is known.",
  }),
  "server.http_request_timeout": setting({
    type: duration({ from: "1s", to: "10m" }),
    initial: 30_000,
    about: "How long the body of an HTTP request may take. Its headers must arrive within `server.connect_timeout`.",
    atLimit: "408, and the connection is closed.",
  }),
  "server.http_max_subscriptions": setting({
    type: count({ from: 1, to: 1_000_000 }),
    initial: 1_000,
    about: "Event streams, polls and requests that wait for a reply, at a time.",
    atLimit: "503 with Retry-After.",
  }),
  "server.http_heartbeat": setting({
    type: duration({ from: "1s", to: "5m" }),
    initial: 15_000,
    about: "How often an event stream without events gets a comment, so that nobody on the way takes it for dead.",
  }),
  "server.http_cors_origins": setting<readonly string[]>({
    type: origins(),
    initial: [],
    about:
      "Pages of these origins may use the HTTP bridge from a browser, written as in `server.ws_allowed_origins`. Without any, pages " +
      "of no other origin get in, nor can they send anything unseen.",
    atLimit: "403.",
  }),
};

/** The listeners that have keys of their own, beside the entries of `server.listeners`. */
import type { Lists, Values } from "./schema.ts";

/** The listener of `server.tcp_addr`. */
export const PLAIN_LISTENER = "tcp";

/** The listener of `server.ws_addr`. */
export const WEBSOCKET_LISTENER = "ws";

/** The listener of `server.http_addr`. */
export const HTTP_LISTENER = "http";

/** The listener of `server.coap_addr`. */
export const COAP_LISTENER = "coap";

/** All of them, whether they are open or not. */
export const OWN_LISTENERS = [PLAIN_LISTENER, WEBSOCKET_LISTENER, HTTP_LISTENER, COAP_LISTENER] as const;

/** The keys of a TLS listener; undefined where they are as if they were not written. */
export type TlsKeys = Partial<
  Pick<
    Lists["server.listeners"][number],
    "cert_file" | "key_file" | "client_auth" | "ca_file" | "crl_file" | "min_version"
  >
>;

/** The keys of `server.http_*`, as those of an entry. */
export function httpTls(values: Values): TlsKeys {
  const clientAuth = values["server.http_client_auth"];
  const minVersion = values["server.http_min_version"];
  return {
    cert_file: values["server.http_cert_file"] ?? undefined,
    key_file: values["server.http_key_file"] ?? undefined,
    client_auth: clientAuth === "none" ? undefined : clientAuth,
    ca_file: values["server.http_ca_file"] ?? undefined,
    crl_file: values["server.http_crl_file"] ?? undefined,
    min_version: minVersion === "1.2" ? undefined : minVersion,
  };
}

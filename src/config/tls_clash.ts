/** What clashes among the keys of TLS listeners. */
import type { Clash } from "./identity_clash.ts";
import type { Reading } from "./reading.ts";
import type { Lists, Values } from "./schema.ts";

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

/** Keys of a TLS listener that need each other. */
export function* halfTls({ lists, values }: Reading): Iterable<Clash> {
  for (const [index, entry] of lists["server.listeners"].entries()) {
    yield* halfEntry(entry, { path: `server.listeners[${index}].`, key: "" });
  }
  yield* halfEntry(httpTls(values), { path: "server.http_", key: "http_" });
}

/** `before` is what stands before the name of a key: in its path, and where it is named beside others. */
function* halfEntry(entry: TlsKeys, before: { path: string; key: string }): Iterable<Clash> {
  const needs = (key: keyof TlsKeys, other: keyof TlsKeys) => {
    if (entry[key] === undefined || entry[other] !== undefined) return [];
    return [{ path: `${before.path}${key}`, message: () => `it needs ${before.key}${other} beside it` }];
  };
  yield* needs("cert_file", "key_file");
  for (const key of ["key_file", "client_auth", "ca_file", "crl_file", "min_version"] as const) {
    yield* needs(key, "cert_file");
  }
  yield* needs("crl_file", "ca_file");
  const asks = entry.client_auth === "request" || entry.client_auth === "require";
  if (asks) yield* needs("client_auth", "ca_file");
  else if (entry.ca_file !== undefined) {
    yield {
      path: `${before.path}ca_file`,
      message: () => `nobody is asked for a certificate: write ${before.key}client_auth: require or request`,
    };
  }
}

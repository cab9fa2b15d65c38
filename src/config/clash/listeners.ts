/** What clashes among the keys of listeners. */
import { isLoopback } from "../../address/address_ranges.ts";
import {
  COAP_LISTENER,
  HTTP_LISTENER,
  httpTls,
  PLAIN_LISTENER,
  type TlsKeys,
  WEBSOCKET_LISTENER,
} from "../listeners.ts";
import type { Reading } from "../reading.ts";
import { hasIdentities } from "../sources.ts";
import { type Address, formatAddress } from "../text_type.ts";
import { type Clash, needs, repeated, whereOf } from "./clash.ts";

/** An address that is listened at, with the key that asks for it. */
export interface Door {
  readonly path: string;
  /** Undefined for an entry of `server.listeners`. */
  readonly name?: string;
  readonly address: Address;
  /** Nobody comes in without a certificate. */
  readonly isLocked?: boolean;
  /** Whoever reaches a proxy in front reaches it. */
  readonly isProxied?: boolean;
  /** Not for MQTT clients. */
  readonly isBridge?: true;
  /** UDP has ports of its own. */
  readonly isUdp?: true;
}

/** Every one that is open. */
export function* doorsOf({ values, lists }: Reading): Iterable<Door> {
  const plain = values["server.tcp_addr"];
  if (plain !== null) yield { path: "server.tcp_addr", name: PLAIN_LISTENER, address: plain };
  for (const [index, entry] of lists["server.listeners"].entries()) {
    const { addr: address, client_auth: clientAuth, trusted_proxies: proxies = [] } = entry;
    if (address === undefined) continue;
    const path = `server.listeners[${index}].addr`;
    yield { path, address, isLocked: clientAuth === "require", isProxied: proxies.length > 0 };
  }
  if (values["server.ws_enabled"]) {
    yield { path: "server.ws_addr", name: WEBSOCKET_LISTENER, address: values["server.ws_addr"] };
  }
  if (values["server.http_enabled"]) {
    const address = values["server.http_addr"];
    const isLocked = values["server.http_client_auth"] === "require";
    const isProxied = values["server.http_trusted_proxies"].length > 0;
    yield { path: "server.http_addr", name: HTTP_LISTENER, address, isLocked, isProxied, isBridge: true };
  }
  if (values["server.coap_enabled"]) {
    const address = values["server.coap_addr"];
    yield { path: "server.coap_addr", name: COAP_LISTENER, address, isBridge: true, isUdp: true };
  }
}

/** Two listeners of one name. */
export function* sameNames(reading: Reading): Iterable<Clash> {
  const entries = reading.lists["server.listeners"].map(({ name }, index) => {
    return { path: `server.listeners[${index}].name`, name };
  });
  for (const { path, name, first } of repeated([...doorsOf(reading), ...entries])) {
    yield { path, message: `"${name}" is taken by ${first} (${whereOf(reading, first)})` };
  }
}

/** Two listeners at one address. */
export function* sameAddresses(reading: Reading, doors: readonly Door[]): Iterable<Clash> {
  for (const [index, { path, address, isUdp }] of doors.entries()) {
    const first = doors.slice(0, index).find((other) => other.isUdp === isUdp && overlaps(other.address, address));
    if (first === undefined) continue;
    const taken = `${first.path}, ${formatAddress(first.address)} (${whereOf(reading, first.path)})`;
    yield { path, message: `${formatAddress(address)} is taken by ${taken}` };
  }
}

/** No listener for MQTT clients. */
export function* noDoor(doors: readonly Door[]): Iterable<Clash> {
  if (doors.some(({ isBridge }) => isBridge !== true)) return;
  const message = "nobody could connect: it is switched off and server.listeners has none";
  yield { path: "server.tcp_addr", message };
}

/** Listeners that others reach than who is on this machine, and where nobody has to log in. */
export function* openDoors(reading: Reading, doors: readonly Door[]): Iterable<Clash> {
  if (reading.values["auth.allow_anonymous"] !== null || hasIdentities(reading)) return;
  for (const { path, address, isLocked = false, isProxied = false } of doors) {
    if ((isLoopback(address.hostname) && !isProxied) || isLocked) continue;
    const who = isProxied ? "by whoever reaches its proxies" : "from other machines";
    const stay = isProxied ? "" : `, or stay on this machine with 127.0.0.1:${address.port}`;
    const message =
      `${formatAddress(address)} can be reached ${who} and nobody would have to log in: name a file of users under ` +
      `auth.users_file (weir user add NAME makes it), or write auth.allow_anonymous: true if anybody may connect${stay}`;
    yield { path, message };
  }
}

/** Keys of a listener that need each other. */
export function* halfListeners({ lists, values }: Reading): Iterable<Clash> {
  for (const [index, entry] of lists["server.listeners"].entries()) {
    const path = `server.listeners[${index}].`;
    yield* halfTls(entry, { path, key: "" });
    if (entry.allowed_origins !== undefined && entry.path === undefined) yield needs(`${path}allowed_origins`, "path");
  }
  yield* halfTls(httpTls(values), { path: "server.http_", key: "http_" });
}

/** What another key of TLS is needed for. */
const TLS_NEEDS: readonly (readonly [key: keyof TlsKeys, other: keyof TlsKeys])[] = [
  ["cert_file", "key_file"],
  ["key_file", "cert_file"],
  ["client_auth", "cert_file"],
  ["ca_file", "cert_file"],
  ["crl_file", "cert_file"],
  ["min_version", "cert_file"],
  ["crl_file", "ca_file"],
];

/** `before` is what stands before the name of a key: in its path, and where it is named beside others. */
function* halfTls(keys: TlsKeys, before: { path: string; key: string }): Iterable<Clash> {
  const asks = keys.client_auth === "request" || keys.client_auth === "require";
  for (const [key, other] of [...TLS_NEEDS, ...asks ? [["client_auth", "ca_file"] as const] : []]) {
    if (keys[key] !== undefined && keys[other] === undefined) yield needs(before.path + key, before.key + other);
  }
  if (asks || keys.ca_file === undefined) return;
  const message = `nobody is asked for a certificate: write ${before.key}client_auth: require or request`;
  yield { path: `${before.path}ca_file`, message };
}

/** Whether the second bind would fail. The system chooses another port for each 0. */
function overlaps(one: Address, other: Address): boolean {
  if (one.port !== other.port || one.port === 0) return false;
  return hostOf(one) === hostOf(other) || coversHost(one, other) || coversHost(other, one);
}

function coversHost(wide: Address, narrow: Address): boolean {
  return wide.hostname === "::" || (wide.hostname === "0.0.0.0" && !narrow.hostname.includes(":"));
}

function hostOf({ hostname }: Address): string {
  return hostname === "localhost" ? "127.0.0.1" : hostname;
}

/** Values that are right by themselves and wrong together. */
import { isLoopback } from "../address/address_ranges.ts";
import { noRules } from "./acl_clash.ts";
import { type Clash, hasIdentities, identityClashes, placeOf, whereOf } from "./identity_clash.ts";
import type { Problem } from "./problem.ts";
import { queueClashes } from "./queue_clash.ts";
import type { Reading } from "./reading.ts";
import { type Address, formatAddress } from "./text_type.ts";
import { halfTls } from "./tls_clash.ts";

/** An address with the key that asks for it. */
interface Door {
  readonly path: string;
  readonly name: string;
  readonly address: Address;
  /** Nobody comes in without a certificate. */
  readonly isLocked: boolean;
  /** Whoever reaches a proxy in front reaches it. */
  readonly isProxied?: boolean;
  /** Not for MQTT clients. */
  readonly isBridge?: true;
  /** UDP has ports of its own. */
  readonly isUdp?: true;
}

/** The listener of `server.tcp_addr`. */
export const PLAIN_LISTENER = "tcp";

/** The listener of `server.ws_addr`. */
export const WEBSOCKET_LISTENER = "ws";

/** The listener of `server.http_addr`. */
export const HTTP_LISTENER = "http";

/** The listener of `server.coap_addr`. */
export const COAP_LISTENER = "coap";

/** Those that have keys of their own, whether they are open or not. */
export const OWN_LISTENERS = [PLAIN_LISTENER, WEBSOCKET_LISTENER, HTTP_LISTENER, COAP_LISTENER] as const;

/** Every clash between keys that were read well; a key with a problem of its own clashes with nothing. */
export function findClashes(reading: Reading): Problem[] {
  const wrong = new Set(reading.problems.map((problem) => problem.path));
  const doors = findDoors(reading).filter((door) => !wrong.has(door.path));
  const clashes = [
    ...sameNames(reading),
    ...sameAddresses(doors),
    ...halfTls(reading),
    ...halfWebSocket(reading),
    ...sameUsers(reading),
    ...tooLongExpiry(reading),
    ...queues(reading),
  ];
  if (!isWrong(wrong, "server")) clashes.push(...noDoor(doors));
  if (!isWrong(wrong, "auth")) {
    clashes.push(...openDoors(reading, doors), ...identityClashes(reading), ...noRules(reading));
  }
  return clashes.filter(({ path }) => !wrong.has(path)).map(({ path, message }) => {
    return { place: placeOf(reading, path), path, message: message(reading) };
  });
}

function findDoors({ values, lists }: Reading): Door[] {
  const plain = values["server.tcp_addr"];
  const doors: Door[] = plain === null
    ? []
    : [{ path: "server.tcp_addr", name: PLAIN_LISTENER, address: plain, isLocked: false }];
  for (const [index, entry] of lists["server.listeners"].entries()) {
    const { name = "", addr: address, client_auth: clientAuth, trusted_proxies: proxies = [] } = entry;
    const path = `server.listeners[${index}].addr`;
    const isLocked = clientAuth === "require";
    if (address !== undefined) doors.push({ path, name, address, isLocked, isProxied: proxies.length > 0 });
  }
  if (values["server.ws_enabled"]) {
    doors.push({
      path: "server.ws_addr",
      name: WEBSOCKET_LISTENER,
      address: values["server.ws_addr"],
      isLocked: false,
    });
  }
  if (values["server.http_enabled"]) {
    const address = values["server.http_addr"];
    const isLocked = values["server.http_client_auth"] === "require";
    const isProxied = values["server.http_trusted_proxies"].length > 0;
    doors.push({ path: "server.http_addr", name: HTTP_LISTENER, address, isLocked, isProxied, isBridge: true });
  }
  if (values["server.coap_enabled"]) {
    const address = values["server.coap_addr"];
    doors.push({
      path: "server.coap_addr",
      name: COAP_LISTENER,
      address,
      isLocked: false,
      isBridge: true,
      isUdp: true,
    });
  }
  return doors;
}

function* noDoor(doors: readonly Door[]): Iterable<Clash> {
  if (doors.some(({ isBridge }) => isBridge !== true)) return;
  yield {
    path: "server.tcp_addr",
    message: () => "nobody could connect: it is switched off and server.listeners has none",
  };
}

function* sameNames({ lists, values }: Reading): Iterable<Clash> {
  const seen = new Map<string, string>();
  if (values["server.tcp_addr"] !== null) seen.set(PLAIN_LISTENER, "server.tcp_addr");
  if (values["server.ws_enabled"]) seen.set(WEBSOCKET_LISTENER, "server.ws_addr");
  if (values["server.http_enabled"]) seen.set(HTTP_LISTENER, "server.http_addr");
  if (values["server.coap_enabled"]) seen.set(COAP_LISTENER, "server.coap_addr");
  for (const [index, { name }] of lists["server.listeners"].entries()) {
    if (name === undefined) continue;
    const path = `server.listeners[${index}].name`;
    const first = seen.get(name);
    if (first === undefined) seen.set(name, path);
    else yield { path, message: (reading) => `"${name}" is taken by ${first} (${whereOf(reading, first)})` };
  }
}

function* sameAddresses(doors: readonly Door[]): Iterable<Clash> {
  for (const [index, door] of doors.entries()) {
    const others = doors.slice(0, index).filter(({ isUdp }) => isUdp === door.isUdp);
    const first = others.find((other) => overlaps(other.address, door.address));
    if (first === undefined) continue;
    const address = formatAddress(door.address);
    yield {
      path: door.path,
      message: (reading) => {
        return `${address} is taken by ${first.path}, ${formatAddress(first.address)} (${
          whereOf(reading, first.path)
        })`;
      },
    };
  }
}

/** Keys of a WebSocket listener. */
function* halfWebSocket({ lists }: Reading): Iterable<Clash> {
  for (const [index, entry] of lists["server.listeners"].entries()) {
    const path = `server.listeners[${index}]`;
    if (entry.allowed_origins !== undefined && entry.path === undefined) {
      yield { path: `${path}.allowed_origins`, message: () => "it needs path beside it" };
    }
  }
}

function* sameUsers({ lists }: Reading): Iterable<Clash> {
  const seen = new Map<string, string>();
  for (const [index, { username }] of lists["auth.scram.users"].entries()) {
    if (username === undefined) continue;
    const path = `auth.scram.users[${index}].username`;
    const first = seen.get(username);
    if (first === undefined) seen.set(username, path);
    else yield { path, message: (reading) => `"${username}" is already there (${whereOf(reading, first)})` };
  }
}

function* openDoors(reading: Reading, doors: readonly Door[]): Iterable<Clash> {
  if (reading.values["auth.allow_anonymous"] !== null || hasIdentities(reading)) return;
  for (const { path, address, isLocked, isProxied = false } of doors) {
    if ((isLoopback(address.hostname) && !isProxied) || isLocked) continue;
    const who = isProxied ? "by whoever reaches its proxies" : "from other machines";
    const stay = isProxied ? "" : `, or stay on this machine with 127.0.0.1:${address.port}`;
    yield {
      path,
      message: () =>
        `${formatAddress(address)} can be reached ${who} and nobody would have to log in: name a file of users under ` +
        "auth.users_file (weir user add NAME makes it), or write auth.allow_anonymous: true if anybody may connect" +
        stay,
    };
  }
}

function queues(reading: Reading): Clash[] {
  const isWritten = (path: string) => reading.places.has(path);
  return queueClashes(reading, isWritten).map(({ path, text }) => ({ path, message: () => text }));
}

/** A default that nobody wrote is cut silently instead. */
function* tooLongExpiry({ values, places }: Reading): Iterable<Clash> {
  const path = "session.default_expiry_interval";
  if (!places.has(path) || values[path] <= values["session.max_expiry_interval"]) return;
  yield {
    path,
    message: (reading) => {
      const maximum = "session.max_expiry_interval";
      return `it is longer than ${maximum} (${whereOf(reading, maximum)})`;
    },
  };
}

function isWrong(wrong: ReadonlySet<string>, section: string): boolean {
  return wrong.values().some((path) => path.startsWith(section));
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

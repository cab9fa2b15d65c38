/** Values that are text: names, addresses, base64. Numbers and words are in `value_type.ts`. */
import { isAddressRange, isLoopback } from "../address/address_ranges.ts";
import { DEFAULT_LIMITS } from "../core/limits.ts";
import { Refusal } from "../core/refusal.ts";
import { assertTopicFilter } from "../core/topic.ts";
import type { Scalar, ValueType } from "./value_type.ts";

/** Where to listen. */
export interface Address {
  /** `::` is every address; IPv6 without brackets. */
  readonly hostname: string;
  /** 0 lets the system choose. */
  readonly port: number;
}

export interface TextOptions {
  /** UTF-8 bytes. */
  readonly from: number;
  readonly to: number;
}

/** Text without control characters. */
export function text(options: TextOptions): ValueType<string> {
  return {
    expected: `text of ${options.from} to ${options.to} bytes without control characters`,
    textual: true,
    parse: (found) => {
      if (typeof found !== "string" || /\p{Cc}/u.test(found) || !found.isWellFormed()) return undefined;
      const length = new TextEncoder().encode(found).length;
      return length >= options.from && length <= options.to ? found : undefined;
    },
    format: (value) => JSON.stringify(value),
    hint: (found) => typeof found === "string" || found === null ? undefined : "put it in quotes to make it text",
  };
}

/** The path of a file, or empty text (null once read) for none. */
export function pathOrNone(): ValueType<string | null> {
  const path = text({ from: 1, to: 4096 });
  return {
    ...path,
    expected: 'the path of a file; "" for none',
    parse: (found) => found === "" ? null : path.parse(found),
    format: (value) => JSON.stringify(value ?? ""),
  };
}

/** An address on the web, or empty text (null once read) for none. In clear text only on this machine. That of a base, which paths are
 * put behind, has no query. */
export function urlOrNone({ isBase = false } = {}): ValueType<string | null> {
  return {
    expected: 'an address that begins with https://, or with http:// on this machine; "" for none',
    textual: true,
    isSecret: true, // a password that nobody should write into it
    parse: (found) => {
      if (found === "") return null;
      const url = typeof found === "string" && found.length <= 4096 ? URL.parse(found) : null;
      if (url === null || url.username !== "" || url.password !== "" || url.hash !== "") return undefined;
      if (isBase && url.href.includes("?")) return undefined;
      const isPlain = url.protocol === "http:" && isLoopback(url.hostname);
      return isPlain || url.protocol === "https:" ? url.href : undefined;
    },
    format: (value) => JSON.stringify(value ?? ""),
    hint: (found) => {
      if (typeof found !== "string") return undefined;
      if (found.includes("@")) return "it has no user and no password in it";
      return isBase && found.includes("?") ? "it has no query: a path is put behind it" : undefined;
    },
  };
}

/** An IP address or a range. */
export function addressRange(): ValueType<string> {
  return {
    expected: "an address or a range such as 192.0.2.7, 192.0.2.0/24 or 2001:db8::/32",
    textual: true,
    parse: (found) => typeof found === "string" && isAddressRange(found) ? found : undefined,
    format: (value) => JSON.stringify(value),
  };
}

/** A topic filter as a rule has it. */
export function topicFilter(): ValueType<string> {
  return {
    expected: "a topic filter such as devices/%c/#",
    textual: true,
    parse: (found) => typeof found === "string" && whyNoFilter(found) === undefined ? found : undefined,
    format: (value) => JSON.stringify(value),
    hint: (found) => typeof found === "string" ? whyNoFilter(found) : "put it in quotes to make it text",
  };
}

/** Why a rule or a queue cannot have this filter; undefined when it can. */
export function whyNoFilter(filter: string): string | undefined {
  if (filter === "$share" || filter.startsWith("$share/")) {
    return "a rule counts for shared subscriptions without saying so";
  }
  try {
    assertTopicFilter(filter, new TextEncoder().encode(filter).length, DEFAULT_LIMITS);
    return undefined;
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return error.message.replace(/^Cannot subscribe to .*": /s, "");
  }
}

/** The path of a URL. */
export function urlPath(): ValueType<string> {
  return {
    expected: "a path such as /mqtt, without ? and #",
    textual: true,
    parse: (found) => typeof found === "string" && /^\/[!"$->@-~]*$/.test(found) ? found : undefined,
    format: (value) => value,
  };
}

/** The name of a queue, one level of a topic. */
export function queueName(): ValueType<string> {
  return {
    expected: "a name of 1 to 128 letters, digits, -, _ and .",
    textual: true,
    parse: (found) => typeof found === "string" && /^[A-Za-z0-9_.-]{1,128}$/.test(found) ? found : undefined,
    format: (value) => value,
  };
}

/** A name for logs and labels. */
export function label(): ValueType<string> {
  return {
    expected: "a name of 1 to 64 letters, digits, - and _",
    textual: true,
    parse: (found) => typeof found === "string" && /^[A-Za-z0-9_-]{1,64}$/.test(found) ? found : undefined,
    format: (value) => value,
  };
}

const ADDRESS_EXPECTED = "host:port such as 127.0.0.1:1883, [::1]:1883, or :1883 for every address";

/** A host and a port. */
export function address(): ValueType<Address> {
  return {
    expected: ADDRESS_EXPECTED,
    textual: true,
    parse: (found) => typeof found === "string" ? parseAddress(found) : undefined,
    format: (value) => JSON.stringify(formatAddress(value)),
    hint: portHint,
  };
}

function portHint(found: Scalar): string | undefined {
  const port = /:(\d+)$/.exec(String(found))?.[1];
  return port !== undefined && Number(port) > 65_535 ? "a port lies between 0 and 65535" : undefined;
}

/** A host and a port, or empty text (null once read) for none. */
export function addressOrNone(): ValueType<Address | null> {
  return {
    expected: `${ADDRESS_EXPECTED}; "" for none`,
    textual: true,
    parse: (found) => found === "" ? null : address().parse(found),
    format: (value) => value === null ? '""' : address().format(value),
    hint: portHint,
  };
}

/** Bytes in base64 with padding. */
export function base64(options: TextOptions): ValueType<Uint8Array<ArrayBuffer>> {
  const length = options.from === options.to ? `${options.from}` : `${options.from} to ${options.to}`;
  return {
    expected: `base64 of ${length} bytes`,
    textual: true,
    isSecret: true,
    parse: (found) => {
      const value = fromBase64(found);
      return value !== undefined && value.length >= options.from && value.length <= options.to ? value : undefined;
    },
    format: (value) => value.toBase64(),
  };
}

/** `127.0.0.1:1883`, `[::1]:1883`; every address is `:1883`. */
export function formatAddress(value: Address): string {
  if (value.hostname === "::") return `:${value.port}`;
  return `${value.hostname.includes(":") ? `[${value.hostname}]` : value.hostname}:${value.port}`;
}

/** Undefined when it is none. The host comes back in its shortest form: `[0:0::1]` is `::1`. */
function parseAddress(found: string): Address | undefined {
  const match = /^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]*):(\d{1,5})$/.exec(found);
  if (match === null || Number(match[2]) > 65_535) return undefined;
  if (match[1] === "") return { hostname: "::", port: Number(match[2]) };
  const url = URL.parse(`http://${match[1]}/`);
  if (url === null) return undefined;
  return { hostname: url.hostname.replace(/^\[|\]$/g, ""), port: Number(match[2]) };
}

function fromBase64(found: Scalar): Uint8Array<ArrayBuffer> | undefined {
  if (typeof found !== "string") return undefined;
  try {
    return Uint8Array.fromBase64(found, { lastChunkHandling: "strict" });
  } catch {
    return undefined; // the caller tells what was expected
  }
}

/** Values of doors: paths of URLs, origins of pages, addresses of proxies. */
import { BlockList, isIP } from "node:net";
import type { Scalar, ValueType } from "./value_type.ts";

/** The path of a URL. */
export function urlPath(): ValueType<string> {
  return {
    expected: "a path such as /mqtt, without ? and #",
    textual: true,
    parse: (found) => typeof found === "string" && /^\/[!"$->@-~]*$/.test(found) ? found : undefined,
    format: (value) => value,
  };
}

/** Origins of pages, as a WebSocket listener takes them. */
export function pageOrigins(): ValueType<readonly string[]> {
  return texts(
    'origins such as "https://example.com, example.org:8443", or "*"; "" for none',
    (text) => text === "*" || ORIGIN.test(text),
  );
}

/** Addresses and networks. */
export function networks(): ValueType<readonly string[]> {
  return texts('a list of addresses and networks such as ["10.0.0.7", "fd00::/8"]', isNetwork);
}

const ORIGIN = /^(?:https?:\/\/)?(?:\*\.)?(?:[A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?$/;

function isNetwork(text: string): boolean {
  const [, address = "", bits] = /^([0-9A-Fa-f:.]+)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  const version = isIP(address);
  if (version === 0 || Number(bits ?? 0) > (version === 4 ? 32 : 128)) return false;
  new BlockList().addSubnet(address, Number(bits ?? 0), version === 4 ? "ipv4" : "ipv6");
  return true;
}

/** A variable holds them separated by commas. */
function texts(expected: string, isGood: (text: string) => boolean): ValueType<readonly string[]> {
  const read = (found: readonly Scalar[]) => {
    return found.every((each) => typeof each === "string" && isGood(each)) ? found as string[] : undefined;
  };
  return {
    expected,
    textual: true,
    parse: (found) => typeof found === "string" ? read(found === "" ? [] : found.split(",")) : undefined,
    parseList: read,
    format: (value) => JSON.stringify(value.join(",")),
  };
}

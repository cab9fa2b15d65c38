import { BlockList, isIP } from "node:net";
import { plainAddress } from "./ip_address.ts";

/** IP addresses and ranges of them. */
export class AddressRanges {
  readonly #list = new BlockList();
  /** Mostly; to look into a list costs some kilobytes of garbage. */
  readonly #isEmpty: boolean;

  /** @param ranges such as `192.0.2.7`, `10.0.0.0/8` and `fd00::/8`
   * @throws {RangeError} when one is neither an address nor a range */
  constructor(ranges: readonly string[]) {
    this.#isEmpty = ranges.length === 0;
    for (const text of ranges) {
      const range = parseRange(text);
      if (range === undefined) {
        throw new RangeError(
          `Cannot use ${
            JSON.stringify(text)
          } as addresses: expected one such as 192.0.2.7, 192.0.2.0/24 or 2001:db8::/32`,
        );
      }
      this.#list.addSubnet(range.address, range.bits, familyOf(range.address));
    }
  }

  /** Whether an address is in one of the ranges, an IPv4 one however it is written. False for what is no address. */
  has(address: string): boolean {
    if (this.#isEmpty) return false;
    const plain = plainAddress(address);
    return isIP(plain) !== 0 && this.#list.check(plain, familyOf(plain));
  }
}

const LOOPBACK = new AddressRanges(["127.0.0.0/8", "::1"]);

/** Whether a host, also as a URL has it (`[::1]`), is this machine, which nobody else reaches. A name such as `127.0.0.1.example` may be
 * anybody's. */
export function isLoopback(hostname: string): boolean {
  return hostname === "localhost" || LOOPBACK.has(hostname.replace(/^\[|\]$/g, ""));
}

/** Whether `text` is an IP address or a range in CIDR form. */
export function isAddressRange(text: string): boolean {
  return parseRange(text) !== undefined;
}

function parseRange(text: string): { address: string; bits: number } | undefined {
  const [, address = "", prefix] = /^([0-9A-Fa-f:.]+)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  const version = isIP(address);
  const bitsMax = version === 4 ? 32 : 128;
  const bits = Number(prefix ?? bitsMax);
  return version === 0 || bits > bitsMax ? undefined : { address, bits };
}

function familyOf(address: string): "ipv4" | "ipv6" {
  return address.includes(":") ? "ipv6" : "ipv4";
}

import { AddressRanges } from "../../address/address_ranges.ts";
import type { PeerFault } from "../transport.ts";

/** A listener behind a proxy that speaks the PROXY protocol. */
export interface ProxyProtocolOptions {
  /** Who may speak for clients: addresses and ranges, as `10.0.0.7` and `fd00::/8`. Others are cut off. */
  readonly trustedAddresses: readonly string[];
}

/** Somebody else than a proxy that is trusted has come. */
export const UNTRUSTED: PeerFault = {
  kind: "unwelcome",
  reason: "Cannot take the connection of a proxy: it is no proxy that is trusted",
};

/** What a proxy has begun with is no header. */
export function badHeader(error: unknown): PeerFault {
  const reason = error instanceof Error ? error.message : String(error);
  return { kind: "stranger", reason: `Cannot take the connection of a proxy: ${reason}` };
}

/** The proxies that a listener believes. */
export class TrustedProxies {
  readonly #ranges: AddressRanges;

  /** @throws {TypeError} without a list: who believes everybody writes so
   * @throws {RangeError} for what is neither an address nor a range */
  constructor({ trustedAddresses }: ProxyProtocolOptions) {
    if (!Array.isArray(trustedAddresses)) {
      throw new TypeError('Cannot trust proxies: expected trustedAddresses, a list such as ["10.0.0.7", "fd00::/8"]');
    }
    this.#ranges = new AddressRanges(trustedAddresses);
  }

  trusts(address: string): boolean {
    return this.#ranges.has(address);
  }
}

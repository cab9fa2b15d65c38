import { AddressRanges } from "../../address/address_ranges.ts";

/** A listener behind a proxy that speaks the PROXY protocol. */
export interface ProxyProtocolOptions {
  /** Who may speak for clients: addresses and ranges, as `10.0.0.7` and `fd00::/8`. Others are cut off. */
  readonly trustedAddresses: readonly string[];
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

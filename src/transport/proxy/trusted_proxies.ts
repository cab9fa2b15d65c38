import { BlockList, isIP } from "node:net";

/** A listener behind a proxy that speaks the PROXY protocol. */
export interface ProxyProtocolOptions {
  /** Who may speak for clients: addresses and networks, as `10.0.0.7` and `fd00::/8`. Others are cut off. */
  readonly trustedAddresses: readonly string[];
}

/** The proxies that a listener believes. */
export class TrustedProxies {
  readonly #list = new BlockList();

  /** @throws {TypeError} without a list: who believes everybody writes so
   * @throws {RangeError} for what is neither an address nor a network */
  constructor({ trustedAddresses }: ProxyProtocolOptions) {
    if (!Array.isArray(trustedAddresses)) {
      throw new TypeError('Cannot trust proxies: expected trustedAddresses, a list such as ["10.0.0.7", "fd00::/8"]');
    }
    for (const network of trustedAddresses) addNetwork(this.#list, network);
  }

  /** @param address as {@link plainAddress} tells it */
  trusts(address: string): boolean {
    return this.#list.check(address, familyOf(address));
  }
}

function addNetwork(list: BlockList, network: string): void {
  const [, address = "", bits] = /^([0-9A-Fa-f:.]+)(?:\/(\d{1,3}))?$/.exec(network) ?? [];
  const width = isIP(address) === 4 ? 32 : isIP(address) === 6 ? 128 : -1;
  if (Number(bits ?? 0) > width) {
    throw new RangeError(
      `Cannot trust ${JSON.stringify(network)}: expected an address or a network such as 10.0.0.0/8`,
    );
  }
  list.addSubnet(address, Number(bits ?? width), familyOf(address));
}

function familyOf(address: string): "ipv4" | "ipv6" {
  return address.includes(":") ? "ipv6" : "ipv4";
}

import { isIPv6 } from "node:net";

/** An IPv4 address that is written as an IPv6 one, in whichever of its forms (RFC 4291 section 2.5.5.2), as what it is, since it is the same
 * machine; every other address as it is, without the zone that one of this link may have (`%eth0`, RFC 4007). */
export function plainAddress(address: string): string {
  if (!address.includes(":")) return address;
  const plain = address.replace(/%.*$/s, "");
  if (!/:ffff:/i.test(plain)) return plain;
  const shortest = URL.parse(`http://[${plain}]`)?.hostname ?? "";
  const [, high, low] = /^\[::ffff:([0-9a-f]+):([0-9a-f]+)\]$/.exec(shortest) ?? [];
  if (high === undefined) return plain;
  return [high, low].flatMap((group) => [parseInt(group, 16) >> 8, parseInt(group, 16) & 0xff]).join(".");
}

/** What counts as one address: an IPv4 one however it is written, and the 64 bits of an IPv6 one that a single customer is given. */
export function addressKey(address: string): string {
  const plain = plainAddress(address);
  if (!plain.includes(":") || !isIPv6(plain)) return plain;
  const [head, tail] = plain.split("::");
  const first = head === "" ? [] : head.split(":");
  const last = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - first.length - last.length);
  const groups = [...first, ...Array<string>(zeros).fill("0"), ...last].slice(0, 4);
  return `${groups.map((group) => parseInt(group, 16).toString(16)).join(":")}::/64`;
}

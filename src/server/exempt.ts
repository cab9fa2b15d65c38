import { AddressRanges } from "../address/address_ranges.ts";

/** Options with the addresses that are left alone as a question, in place of a list. */
export function withExempt<T extends { readonly exempt: readonly string[] }>(
  { exempt, ...options }: T,
): Omit<T, "exempt"> & { isExempt(remoteAddress: string): boolean } {
  const ranges = new AddressRanges(exempt);
  return { ...options, isExempt: (address) => ranges.has(address) };
}

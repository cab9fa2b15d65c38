import { addressRange } from "../auth/access_rule.ts";
import { isInRange } from "../auth/failed_logins.ts";

/** Options with the addresses that are left alone as a question, in place of a list. */
export function withExempt<T extends { readonly exempt: readonly string[] }>(
  { exempt, ...options }: T,
): Omit<T, "exempt"> & { isExempt(remoteAddress: string): boolean } {
  const ranges = exempt.map(addressRange);
  return { ...options, isExempt: (address) => ranges.some((range) => isInRange(range, address)) };
}

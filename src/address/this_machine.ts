import { isLoopback } from "./address_ranges.ts";

/** Whether the host of a URL is this machine by its very name: a loopback address, `localhost`, or what is below it (RFC 6761). A name
 * that leads here by another's will is not one of them (DNS rebinding). */
export function isThisMachine(hostname: string): boolean {
  return hostname.endsWith(".localhost") || isLoopback(hostname);
}

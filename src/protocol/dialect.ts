import type { Send } from "../core/effects.ts";
import type { RefusalCause } from "../core/refusal.ts";
import type { Endpoint } from "./endpoint.ts";

/** What the versions say differently. 3.1.1 is 5.0 with reason codes and properties absent; the core knows neither.
 * Answers that cannot be shortened tell how many bytes they wrote, to be compared with what the client accepts. */
export interface Dialect {
  /** The answer to a CONNECT that was accepted, with everything that was negotiated. */
  connack(endpoint: Endpoint, sessionPresent: boolean): number;
  /** The answer to one that was not; nothing where the version has no word for it. */
  refuse(endpoint: Endpoint, refusal: { cause: RefusalCause; reason: string }): void;
  suback(endpoint: Endpoint, send: Send): number;
  unsuback(endpoint: Endpoint, send: Send): number;
  /** An acknowledgement that says more than success; `header` is the first byte of its packet. */
  acknowledge(endpoint: Endpoint, header: number, send: Send): void;
  /** The last word before the connection ends. */
  disconnect(endpoint: Endpoint, send: Pick<Send, "outcome" | "reason">): void;
}

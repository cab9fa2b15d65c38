import type { DisconnectCause } from "../../core/happening.ts";
import { type CoapOption, type CoapResponse, Code } from "./message.ts";

/** Longest diagnostic payload; it is to fit into a small datagram and into what is kept for duplicates. */
const DIAGNOSTIC_BYTES_MAX = 160;

/** A request that is answered with an error code, and the reason in words (RFC 7252 section 5.5.2). */
export class CoapRefusal extends Error {
  override readonly name = "CoapRefusal";
  readonly code: number;
  readonly options: readonly CoapOption[];

  constructor(code: number, message: string, options: readonly CoapOption[] = []) {
    super(message);
    this.code = code;
    this.options = options;
  }
}

/** What the broker's refusals are in CoAP, where the request itself is not what is wrong. */
const CODE_OF: Readonly<Partial<Record<DisconnectCause, number>>> = {
  "not-authorized": Code.forbidden,
  "bad-user-name-or-password": Code.unauthorized,
  "bad-authentication-method": Code.unauthorized,
  banned: Code.forbidden,
  "client-identifier-not-valid": Code.badRequest,
  "server-unavailable": Code.serviceUnavailable,
  "server-shutting-down": Code.serviceUnavailable,
  "server-busy": Code.serviceUnavailable,
  "use-another-server": Code.serviceUnavailable,
  "server-moved": Code.serviceUnavailable,
  "message-rate-too-high": Code.tooManyRequests,
  "connection-rate-exceeded": Code.tooManyRequests,
  "quota-exceeded": Code.serviceUnavailable,
  "maximum-connect-time": Code.unauthorized,
  "packet-too-large": Code.requestEntityTooLarge,
  "unspecified-error": Code.internalServerError,
};

/** The code for a refusal of the broker; 4.00, or `otherwise`, when the request is what is wrong. */
export function codeOf(cause: DisconnectCause, otherwise: number = Code.badRequest): number {
  return CODE_OF[cause] ?? otherwise;
}

/** The answer that says why not. */
export function refusalResponse({ code, message, options }: CoapRefusal): CoapResponse {
  return { code, options, payload: diagnostic(message), smaller: () => ({ code, options }) };
}

/** UTF-8, cut between characters. */
function diagnostic(message: string): Uint8Array {
  const bytes = new Uint8Array(DIAGNOSTIC_BYTES_MAX);
  return bytes.subarray(0, new TextEncoder().encodeInto(message, bytes).written);
}

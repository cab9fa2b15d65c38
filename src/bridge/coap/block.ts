import { CoapRefusal } from "./coap_refusal.ts";
import { type CoapOption, Code, uintOf, uintOption } from "./message.ts";

/** 2^(6 + 4) = 1,024 bytes; 7 means something else over TCP and is reserved here. */
const SIZE_EXPONENT_MAX = 6;

/** One block of a body that is larger than a datagram (RFC 7959 section 2.2). */
export interface Block {
  readonly number: number;
  readonly hasMore: boolean;
  /** 0 for 16 bytes to 6 for 1,024. */
  readonly sizeExponent: number;
}

/** The bytes of a block of that exponent. */
export function blockBytes(sizeExponent: number): number {
  return 16 << sizeExponent;
}

/** Reads a Block1 or Block2 option.
 * @throws {CoapRefusal} 4.00 for the reserved size (RFC 7959 section 2.2) */
export function readBlock(value: Uint8Array): Block {
  const bits = uintOf(value);
  const sizeExponent = bits & 7;
  if (sizeExponent > SIZE_EXPONENT_MAX) {
    throw new CoapRefusal(Code.badRequest, "Cannot accept block size exponent 7: it is reserved");
  }
  return { number: bits >>> 4, hasMore: (bits & 8) !== 0, sizeExponent };
}

/** The option for a block. */
export function blockOption(option: number, { number, hasMore, sizeExponent }: Block): CoapOption {
  return uintOption(option, number * 16 + (hasMore ? 8 : 0) + sizeExponent);
}

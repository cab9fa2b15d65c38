import { type Block, blockBytes, blockOption } from "./block.ts";
import { CoapRefusal } from "./coap_refusal.ts";
import { ContentFormat } from "./content_format.ts";
import { type CoapOption, type CoapResponse, Code, OptionNumber, uintOption } from "./message.ts";
import { fingerprintOf } from "./peer.ts";
import type { CoapRequest } from "./request.ts";

/** 1,024 bytes: with header and options it fits into the datagram that RFC 7252 section 4.6 counts on. */
const EXPONENT_DEFAULT = 6;
/** What a cache counts on when nothing is said (RFC 7252 section 5.10.5). */
const MAX_AGE_DEFAULT = 60;

/** What a GET is answered with. */
export interface Representation {
  readonly payload: Uint8Array;
  /** Undefined when it has no number. */
  readonly contentFormat: number | undefined;
  /** Seconds until it is no longer there; undefined when it stays. */
  readonly lifeSeconds?: number;
  /** Further options of the first block. */
  readonly options?: readonly CoapOption[];
}

/** Eight bytes that differ when content or format do. */
export function etagOf({ payload, contentFormat = -1 }: Representation): Uint8Array {
  const bytes = new Uint8Array(8);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, fingerprintOf(payload));
  view.setUint32(4, fingerprintOf(payload, contentFormat ^ payload.length));
  return bytes;
}

/** 2.05 with the block that is asked for, or the only one; 2.03 when the client has it already.
 * @throws {CoapRefusal} 4.06 when another format is asked for, 4.00 for a block that is not there */
export function respondWith(
  representation: Representation,
  { accept, etags, block2 }: Pick<CoapRequest, "accept" | "etags" | "block2">,
): CoapResponse {
  const { payload, contentFormat, lifeSeconds = Infinity } = representation;
  assertAcceptable(contentFormat, accept);
  const etag = etagOf(representation);
  const age = lifeSeconds < MAX_AGE_DEFAULT ? [uintOption(OptionNumber.maxAge, lifeSeconds)] : [];
  const options = [{ number: OptionNumber.etag, value: etag }, ...age, ...representation.options ?? []];
  if (etags.some((known) => isEqual(known, etag))) return { code: Code.valid, options };
  if (contentFormat !== undefined) options.push(uintOption(OptionNumber.contentFormat, contentFormat));
  const { number = 0, sizeExponent = EXPONENT_DEFAULT } = block2 ?? {};
  if (number > 0 && number * blockBytes(sizeExponent) >= payload.length) {
    const count = Math.ceil(payload.length / blockBytes(sizeExponent));
    throw new CoapRefusal(Code.badRequest, `Cannot send block ${number}: there are ${count}`);
  }
  return blockResponse({ payload, options, isWished: block2 !== undefined }, number, sizeExponent);
}

interface Whole {
  readonly payload: Uint8Array;
  readonly options: readonly CoapOption[];
  /** The client has asked for blocks. */
  readonly isWished: boolean;
}

/** One block, or everything when that is one; what is smaller begins at the same byte. */
function blockResponse(whole: Whole, number: number, sizeExponent: number): CoapResponse {
  const { payload, isWished } = whole;
  const options = [...whole.options];
  const size = blockBytes(sizeExponent);
  const from = number * size;
  const hasMore = from + size < payload.length;
  if (hasMore || number > 0 || isWished) {
    options.push(blockOption(OptionNumber.block2, { number, hasMore, sizeExponent }));
    if (number === 0) options.push(uintOption(OptionNumber.size2, payload.length));
  }
  const smaller = () => sizeExponent === 0 ? undefined : blockResponse(whole, number * 2, sizeExponent - 1);
  return { code: Code.content, options, payload: payload.subarray(from, from + size), smaller };
}

/** Whether the last block is the one that is asked for. */
export function isLastBlock({ payload }: Representation, { number, sizeExponent }: Block): boolean {
  return (number + 1) * blockBytes(sizeExponent) >= payload.length;
}

/** Content without a number is bytes, and anything may be taken for bytes. */
function assertAcceptable(format: number | undefined, accept: number | undefined): void {
  if (
    accept === undefined || accept === (format ?? ContentFormat.octetStream) || accept === ContentFormat.octetStream
  ) {
    return;
  }
  throw new CoapRefusal(Code.notAcceptable, `Cannot send content format ${accept}: it is ${format ?? "not known"}`);
}

/** Whether two values are the same bytes. */
export function isEqual(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, index) => byte === other[index]);
}

import { type Block, readBlock } from "./block.ts";
import { CoapRefusal } from "./coap_refusal.ts";
import { type CoapMessage, Code, OptionNumber, uintOf } from "./message.ts";

/** A request, with what its options say. */
export interface CoapRequest {
  /** One of {@link Code}, of class 0. */
  readonly method: number;
  /** Segments of the path, decoded; none is `.` or `..`, or holds a slash. */
  readonly path: readonly string[];
  /** In order; a name without `=` has the value "". */
  readonly query: readonly (readonly [string, string])[];
  readonly contentFormat: number | undefined;
  readonly accept: number | undefined;
  readonly observe: number | undefined;
  readonly etags: readonly Uint8Array[];
  /** Empty when it is not there; an empty value is any content. */
  readonly ifMatch: readonly Uint8Array[];
  readonly ifNoneMatch: boolean;
  readonly block1: Block | undefined;
  readonly block2: Block | undefined;
  readonly size1: number | undefined;
  /** Tells the parts of two bodies to one path apart (RFC 9175). */
  readonly requestTag: Uint8Array | undefined;
  readonly payload: Uint8Array;
}

interface Rule {
  readonly from: number;
  readonly to: number;
  readonly repeatable?: true;
}

/** Lengths and whether more than one makes sense (RFC 7252 section 5.10 and those that define the others). */
const RULES: Readonly<Record<number, Rule>> = {
  [OptionNumber.ifMatch]: { from: 0, to: 8, repeatable: true },
  [OptionNumber.uriHost]: { from: 1, to: 255 },
  [OptionNumber.etag]: { from: 1, to: 8, repeatable: true },
  [OptionNumber.ifNoneMatch]: { from: 0, to: 0 },
  [OptionNumber.observe]: { from: 0, to: 3 },
  [OptionNumber.uriPort]: { from: 0, to: 2 },
  [OptionNumber.uriPath]: { from: 0, to: 255, repeatable: true },
  [OptionNumber.contentFormat]: { from: 0, to: 2 },
  [OptionNumber.uriQuery]: { from: 0, to: 255, repeatable: true },
  [OptionNumber.accept]: { from: 0, to: 2 },
  [OptionNumber.block2]: { from: 0, to: 3 },
  [OptionNumber.block1]: { from: 0, to: 3 },
  [OptionNumber.size1]: { from: 0, to: 4 },
  [OptionNumber.requestTag]: { from: 0, to: 8 },
};

/** Reads a request. An elective option that is not understood, too long or there twice is ignored, a critical one refuses the request
 * (RFC 7252 section 5.4.1, 5.4.3, 5.4.5).
 * @throws {CoapRefusal} 4.00, 4.02, 5.05 */
export function readRequest({ code, options, payload }: CoapMessage): CoapRequest {
  const values = new Map<number, Uint8Array[]>();
  for (const { number, value } of options) {
    if (number === OptionNumber.proxyUri || number === OptionNumber.proxyScheme) {
      throw new CoapRefusal(Code.proxyingNotSupported, "Cannot forward a request: this is no proxy");
    }
    const fault = faultOf(number, value, values);
    if (fault === undefined) values.set(number, [...values.get(number) ?? [], value]);
    else if (number % 2 === 1) throw new CoapRefusal(Code.badOption, `Cannot accept option ${number}: ${fault}`);
  }
  const first = (number: number) => values.get(number)?.[0];
  const block = (number: number) => values.has(number) ? readBlock(first(number)!) : undefined;
  const integer = (number: number) => values.has(number) ? uintOf(first(number)!) : undefined;
  return {
    method: code,
    path: (values.get(OptionNumber.uriPath) ?? []).map((value) => segmentOf(textOf(value))),
    query: (values.get(OptionNumber.uriQuery) ?? []).map((value) => pairOf(textOf(value))),
    contentFormat: integer(OptionNumber.contentFormat),
    accept: integer(OptionNumber.accept),
    observe: integer(OptionNumber.observe),
    etags: values.get(OptionNumber.etag) ?? [],
    ifMatch: values.get(OptionNumber.ifMatch) ?? [],
    ifNoneMatch: values.has(OptionNumber.ifNoneMatch),
    block1: block(OptionNumber.block1),
    block2: block(OptionNumber.block2),
    size1: integer(OptionNumber.size1),
    requestTag: first(OptionNumber.requestTag),
    payload,
  };
}

function faultOf(number: number, value: Uint8Array, values: ReadonlyMap<number, unknown>): string | undefined {
  const rule = RULES[number];
  if (rule === undefined) return "it is not known here";
  if (value.length < rule.from || value.length > rule.to) return `its length lies between ${rule.from} and ${rule.to}`;
  return values.has(number) && !rule.repeatable ? "it may be there once" : undefined;
}

function textOf(value: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(value);
  } catch {
    throw new CoapRefusal(Code.badOption, "Cannot accept a path or query: it is not UTF-8");
  }
}

/** `a%2Fb` is one segment to its client; as part of a topic it would be two levels. */
function segmentOf(segment: string): string {
  if (segment === "." || segment === "..") { // RFC 7252 section 5.10.1
    throw new CoapRefusal(Code.badRequest, "Cannot accept a path: a segment cannot be . or ..");
  }
  if (segment.includes("/")) {
    throw new CoapRefusal(Code.badRequest, "Cannot accept a path: a segment cannot hold a slash");
  }
  return segment;
}

function pairOf(part: string): readonly [string, string] {
  const at = part.indexOf("=");
  return at < 0 ? [part, ""] : [part.slice(0, at), part.slice(at + 1)];
}

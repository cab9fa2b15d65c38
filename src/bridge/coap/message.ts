/** A CoAP message (RFC 7252 section 3) as values. */

/** What the two bits after the version say. */
export const MessageType = { confirmable: 0, nonConfirmable: 1, acknowledgement: 2, reset: 3 } as const;
export type MessageType = (typeof MessageType)[keyof typeof MessageType];

/** `c.dd` as one byte: three bits of class, five of detail. */
export const Code = {
  empty: 0x00,
  get: 0x01,
  post: 0x02,
  put: 0x03,
  delete: 0x04,
  created: 0x41,
  deleted: 0x42,
  valid: 0x43,
  changed: 0x44,
  content: 0x45,
  continue: 0x5f,
  badRequest: 0x80,
  unauthorized: 0x81,
  badOption: 0x82,
  forbidden: 0x83,
  notFound: 0x84,
  methodNotAllowed: 0x85,
  notAcceptable: 0x86,
  requestEntityIncomplete: 0x88,
  preconditionFailed: 0x8c,
  requestEntityTooLarge: 0x8d,
  unsupportedContentFormat: 0x8f,
  tooManyRequests: 0x9d, // RFC 8516
  internalServerError: 0xa0,
  serviceUnavailable: 0xa3,
  proxyingNotSupported: 0xa5,
} as const;

/** Numbers of the options that this server reads or writes. An odd number is critical: who does not know it must refuse it. */
export const OptionNumber = {
  ifMatch: 1,
  uriHost: 3,
  etag: 4,
  ifNoneMatch: 5,
  observe: 6,
  uriPort: 7,
  locationPath: 8,
  uriPath: 11,
  contentFormat: 12,
  maxAge: 14,
  uriQuery: 15,
  accept: 17,
  block2: 23,
  block1: 27,
  size2: 28,
  proxyUri: 35,
  proxyScheme: 39,
  size1: 60,
  requestTag: 292, // RFC 9175
} as const;

/** An option as it stands in a message; it may come more than once. */
export interface CoapOption {
  readonly number: number;
  readonly value: Uint8Array;
}

/** A message as it was sent, or is to be. */
export interface CoapMessage {
  readonly type: MessageType;
  readonly code: number;
  readonly messageId: number;
  /** 0 to 8 bytes. */
  readonly token: Uint8Array;
  /** In the order of their numbers. */
  readonly options: readonly CoapOption[];
  readonly payload: Uint8Array;
}

/** What a request is answered with; type, message id and token come from the exchange. */
export interface CoapResponse {
  readonly code: number;
  readonly options?: readonly CoapOption[];
  readonly payload?: Uint8Array;
  /** The same in fewer bytes, for an address that has not proved itself; undefined when there is no such thing. */
  readonly smaller?: () => CoapResponse | undefined;
}

export const NO_BYTES: Uint8Array = new Uint8Array(0);

/** 2 for `2.05`. */
export function classOf(code: number): number {
  return code >> 5;
}

/** `2.05`, for people. */
export function formatCode(code: number): string {
  return `${code >> 5}.${String(code & 31).padStart(2, "0")}`;
}

/** An unsigned integer in as few bytes as it needs; 0 needs none (RFC 7252 section 3.2). */
export function uintBytes(value: number): Uint8Array {
  const bytes: number[] = [];
  for (let rest = value; rest > 0; rest = Math.floor(rest / 256)) bytes.unshift(rest % 256);
  return Uint8Array.from(bytes);
}

/** The unsigned integer in at most four bytes; leading zeros are allowed. */
export function uintOf(bytes: Uint8Array): number {
  return bytes.reduce((value, byte) => value * 256 + byte, 0);
}

/** An option with an unsigned integer. */
export function uintOption(number: number, value: number): CoapOption {
  return { number, value: uintBytes(value) };
}

/** A response with more options, in its smaller forms as well. */
export function withOptions(response: CoapResponse, more: readonly CoapOption[]): CoapResponse {
  const { options = [], smaller } = response;
  const smallerToo = () => {
    const less = smaller?.();
    return less === undefined ? undefined : withOptions(less, more);
  };
  return { ...response, options: [...options, ...more], smaller: smallerToo };
}

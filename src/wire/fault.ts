/** Why a packet cannot be read. The protocol layer turns each into the reason code of its version. */
export type FaultCause =
  | "malformed-packet"
  | "protocol-error"
  | "packet-too-large"
  | "topic-name-invalid"
  | "topic-alias-invalid"
  | "unsupported-protocol-version";

/** The peer sent bytes that the specification forbids. The message names the rule. */
export class WireFault extends Error {
  override readonly name = "WireFault";
  readonly fault: FaultCause;
  /** Set when a CONNECT was refused after its protocol level had been read, so that the refusal can be spoken in that version. */
  version?: number;

  constructor(fault: FaultCause, message: string) {
    super(message);
    this.fault = fault;
  }
}

/** A fault of form: the bytes cannot be parsed as the packet that they claim to be ([MQTT5 1.2], reason code 0x81). */
export function malformed(message: string): WireFault {
  return new WireFault("malformed-packet", message);
}

/** A fault of sense: the bytes parse, but the specification forbids what they say ([MQTT5 1.2], reason code 0x82). */
export function protocolError(message: string): WireFault {
  return new WireFault("protocol-error", message);
}

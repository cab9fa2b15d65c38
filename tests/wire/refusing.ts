import assert from "node:assert/strict";
import { type FaultCause, WireFault } from "../../src/wire/fault.ts";
import type { ProtocolVersion } from "../../src/wire/packet.ts";
import { hex, readOne } from "./reading.ts";

/** Asserts that the packet (hex or bytes) is refused for `fault`, and answers the refusal. */
export function assertRefused(packet: string | Uint8Array, fault: FaultCause, version: ProtocolVersion = 5): WireFault {
  const bytes = typeof packet === "string" ? hex(packet) : packet;
  const error = faultOf(bytes, version);
  assert.ok(error, `${fault} expected, but it was read: ${bytes.toHex()}`);
  assert.equal(error.fault, fault, error.message);
  return error;
}

/** The fault that the packet is refused with; undefined when it is read. Any other error passes through. */
export function faultOf(bytes: Uint8Array, version: ProtocolVersion): WireFault | undefined {
  try {
    readOne(bytes, version);
    return undefined;
  } catch (error) {
    if (error instanceof WireFault) return error;
    throw error;
  }
}

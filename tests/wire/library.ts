// mqtt-packet as the second opinion.
import { Buffer } from "node:buffer";
import mqttPacket, { type Packet } from "mqtt-packet";
import type { ProtocolVersion } from "../../src/wire/packet.ts";

/** The packets that mqtt-packet finds in `bytes`; what it cannot read is an error. */
export function libraryParse(bytes: Uint8Array, version: ProtocolVersion): Packet[] {
  const parser = mqttPacket.parser({ protocolVersion: version });
  const packets: Packet[] = [];
  parser.on("packet", (packet) => packets.push(packet));
  parser.on("error", (error: unknown) => {
    throw error;
  });
  const rest = parser.parse(Buffer.from(bytes));
  if (rest !== 0) throw new Error(`mqtt-packet leaves ${rest} bytes`);
  return packets;
}

export function libraryGenerate(packet: Packet, version: ProtocolVersion): Uint8Array {
  return new Uint8Array(mqttPacket.generate(packet, { protocolVersion: version }));
}

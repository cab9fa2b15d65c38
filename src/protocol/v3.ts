import type { Send } from "../core/effects.ts";
import { writeAck } from "../wire/acknowledgement.ts";
import { writeConnack, writeSuback, writeUnsuback } from "../wire/reply.ts";
import type { Dialect } from "./dialect.ts";
import { v3ReturnCode } from "./reason_code.ts";

/** MQTT 3.1 and 3.1.1: no reason codes but for CONNACK and SUBACK, no properties, no DISCONNECT from the server. */
export const v3: Dialect = {
  connack({ outbox, version }, sessionPresent) {
    return writeConnack(outbox, { version, sessionPresent, reasonCode: 0 });
  },

  refuse({ outbox, version }, { cause }) {
    const reasonCode = v3ReturnCode(cause);
    if (reasonCode !== undefined) writeConnack(outbox, { version, sessionPresent: false, reasonCode });
  },

  suback({ outbox, version }, send: Send) {
    const reasonCodes = send.answers.map((answer) => typeof answer === "number" ? answer : 0x80);
    return writeSuback(outbox, { version, packetId: send.packetId, reasonCodes });
  },

  unsuback({ outbox, version }, send: Send) {
    return writeUnsuback(outbox, { version, packetId: send.packetId, reasonCodes: [] });
  },

  /** A refused message is acknowledged and dropped, or the client would send it for ever ([MQTT-3.3.5-2] of 3.1.1). */
  acknowledge({ outbox }, header, send) {
    writeAck(outbox, header, send.packetId);
  },

  disconnect() {
    // The connection is closed without a word.
  },
};

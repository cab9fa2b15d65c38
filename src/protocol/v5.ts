import type { Send } from "../core/effects.ts";
import type { Outcome, RefusalCause } from "../core/refusal.ts";
import { writeAckWithReason } from "../wire/acknowledgement.ts";
import { type ConnackProperties, writeConnack, writeDisconnect, writeSuback, writeUnsuback } from "../wire/reply.ts";
import type { Dialect } from "./dialect.ts";
import type { Endpoint } from "./endpoint.ts";
import { v5ReasonCode } from "./reason_code.ts";

/** MQTT 5.0. */
export const v5: Dialect = {
  connack(endpoint, sessionPresent) {
    const properties = connackProperties(endpoint);
    return writeConnack(endpoint.outbox, { version: 5, sessionPresent, reasonCode: 0, properties });
  },

  refuse(endpoint, { cause, reason }) {
    const reasonCode = connackCode(cause);
    withReason(endpoint, reason, (reasonString) => {
      return writeConnack(endpoint.outbox, {
        version: 5,
        sessionPresent: false,
        reasonCode,
        properties: { reasonString },
      });
    });
  },

  suback(endpoint, send) {
    const { outbox, packetBytesMax } = endpoint;
    const reasonCodes = send.answers.map((answer) => typeof answer === "number" ? answer : v5ReasonCode[answer]);
    const write = (reasonString?: string) => {
      return writeSuback(outbox, { version: 5, packetId: send.packetId, reasonCodes, properties: { reasonString } });
    };
    if (send.reason === "" || !endpoint.wantsProblemInformation) return write();
    const before = outbox.length;
    const length = write(send.reason);
    if (length <= packetBytesMax) return length;
    outbox.length = before; // [MQTT-3.9.2-1]
    return write();
  },

  unsuback({ outbox }, send) {
    const reasonCodes = send.answers.map((answer) => v5ReasonCode[answer as Outcome]);
    return writeUnsuback(outbox, { version: 5, packetId: send.packetId, reasonCodes });
  },

  acknowledge(endpoint, header, send) {
    const { packetId } = send;
    const reasonCode = v5ReasonCode[send.outcome];
    const reason = endpoint.wantsProblemInformation ? send.reason : ""; // [MQTT-3.1.2-29]
    withReason(endpoint, reason, (reasonString) => {
      return writeAckWithReason(endpoint.outbox, { header, packetId, reasonCode, reasonString });
    });
  },

  disconnect(endpoint, send: Pick<Send, "outcome" | "reason">) {
    const reasonCode = disconnectCode(send.outcome);
    withReason(endpoint, send.reason, (reasonString) => {
      return writeDisconnect(endpoint.outbox, { reasonCode, properties: { reasonString } });
    });
  },
};

/** Table 3-1, the rows that refuse. */
const connackCodes = new Set([
  ...[0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x8c],
  ...[0x90, 0x95, 0x97, 0x99, 0x9a, 0x9b, 0x9c, 0x9d, 0x9f],
]);

/** The code of a cause in CONNACK, which lacks some that DISCONNECT has ([MQTT-3.2.2-8]). */
function connackCode(cause: RefusalCause): number {
  const code = v5ReasonCode[cause];
  if (connackCodes.has(code)) return code;
  return v5ReasonCode[cause === "server-shutting-down" ? "server-unavailable" : "unspecified-error"];
}

/** The code of a cause in DISCONNECT, which lacks some that CONNACK has ([MQTT-3.14.2-1], table 3-10). */
function disconnectCode(outcome: Outcome): number {
  switch (outcome) {
    case "banned":
    case "bad-user-name-or-password":
    case "bad-authentication-method":
      return v5ReasonCode["not-authorized"];
    case "server-unavailable":
      return v5ReasonCode["server-busy"];
    case "client-identifier-not-valid":
    case "unsupported-protocol-version":
    case "packet-identifier-in-use":
    case "packet-identifier-not-found":
      return v5ReasonCode["protocol-error"];
    default:
      return v5ReasonCode[outcome];
  }
}

/** Writes with the reason string, or without it when that is more than the client accepts, or not at all ([MQTT-3.1.2-24],
 * [MQTT-3.2.2-19], [MQTT-3.4.2-2], [MQTT-3.14.2-3]). */
function withReason(endpoint: Endpoint, reason: string, write: (reason: string | undefined) => number): void {
  const before = endpoint.outbox.length;
  if (write(reason === "" ? undefined : reason) <= endpoint.packetBytesMax) return;
  endpoint.outbox.length = before;
  if (write(undefined) > endpoint.packetBytesMax) endpoint.outbox.length = before;
}

/** What differs from the specification's defaults or from what the client asked for (MQTT 5 3.2.2.3). */
function connackProperties(endpoint: Endpoint): ConnackProperties {
  const { settings, keepAliveSeconds, requestedExpirySeconds } = endpoint;
  const { limits } = settings;
  const greeting = endpoint.greeting!;
  const { assignedClientId, grantedExpirySeconds } = greeting;
  const isExpiryCut = grantedExpirySeconds !== requestedExpirySeconds;
  const isKeepAliveCut = keepAliveSeconds !== greeting.requestedKeepAliveSeconds;
  return {
    sessionExpirySeconds: isExpiryCut ? grantedExpirySeconds : undefined,
    receiveMaximum: limits.receiveMaximum,
    maximumQoS: limits.qosMax < 2 ? limits.qosMax as 0 | 1 : undefined,
    retainAvailable: limits.retainAvailable ? undefined : false,
    maximumPacketBytes: settings.packetBytesMax,
    assignedClientId: assignedClientId === "" ? undefined : assignedClientId,
    topicAliasMaximum: settings.topicAliasMaximum === 0 ? undefined : settings.topicAliasMaximum,
    wildcardAvailable: limits.wildcardAvailable ? undefined : false,
    subscriptionIdsAvailable: limits.subscriptionIdsAvailable ? undefined : false,
    sharedAvailable: limits.sharedAvailable ? undefined : false,
    serverKeepAliveSeconds: isKeepAliveCut ? keepAliveSeconds : undefined,
    responseInformation: greeting.wantsResponseInformation && settings.responseInformation !== ""
      ? settings.responseInformation
      : undefined,
    authenticationMethod: greeting.authenticationMethod,
    authenticationData: greeting.authenticationData,
  };
}

const HTTP = /^(?:GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS|TRACE|CONNECT|PRI) /;
/** Of both versions of the header. */
const PROXY = ["PROXY ", "\r\n\r\n\0\r\nQUIT\n"];
/** The type of CONNECT, and what it names. */
const CONNECT = 1;
const MQTT = /MQTT|MQIsdp/;

/** As what the first bytes of a client are known that speaks to the wrong door; undefined when they say nothing. It is told in the log, to
 * whoever has taken the wrong port. */
function otherProtocol(bytes: Uint8Array): "HTTP" | "MQTT" | "TLS" | "the PROXY protocol" | undefined {
  if (isTls(bytes)) return "TLS";
  const start = String.fromCharCode(...bytes.subarray(0, 16));
  if (HTTP.test(start)) return "HTTP";
  if (PROXY.some((header) => start.startsWith(header))) return "the PROXY protocol";
  if (bytes[0] >> 4 === CONNECT && MQTT.test(start)) return "MQTT";
  return undefined;
}

/** The record of a handshake, in any version of TLS. */
function isTls(bytes: Uint8Array): boolean {
  return bytes[0] === 0x16 && bytes[1] === 3;
}

/** Whether these may be the first bytes of a CONNECT. TLS begins with what would be one whose flags are wrong. */
export function mayBeMqtt(bytes: Uint8Array): boolean {
  return bytes[0] >> 4 === CONNECT && !isTls(bytes);
}

/** Why a client is refused that begins with `bytes` where `expected` is spoken. */
export function strangerWords(bytes: Uint8Array, expected: string): string {
  const spoken = otherProtocol(bytes);
  if (spoken === undefined) return `This is not ${expected}`;
  return spoken === expected ? `This is ${spoken} with a mistake` : `This is ${spoken}, and ${expected} is spoken here`;
}

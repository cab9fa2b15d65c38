/** What doors that are not MQTT read from paths, queries and headers. Whatever is wrong is a TypeError or a RangeError, whose message may
 * be told to the peer. */
import type { QoS } from "../core/message.ts";
import { quoted } from "../core/text.ts";

/** @throws {RangeError} */
export function qosOf(text: string): QoS {
  if (text === "0" || text === "1" || text === "2") return Number(text) as QoS;
  throw new RangeError(`Cannot use the QoS ${quoted(text)}: it is 0, 1 or 2`);
}

/** A switch; without a value it is on.
 * @throws {TypeError} */
export function flagOf(text: string, name: string): boolean {
  if (text === "true" || text === "1" || text === "") return true;
  if (text === "false" || text === "0") return false;
  throw new TypeError(`Cannot use ${name} ${quoted(text)}: it is true or false`);
}

/** A whole number in decimal digits.
 * @throws {RangeError} */
export function countOf(text: string, name: string, range: { from: number; to: number }): number {
  const number = /^\d{1,16}$/.test(text) ? Number(text) : NaN;
  if (number >= range.from && number <= range.to) return number;
  throw new RangeError(`Cannot use ${name} ${quoted(text)}: it is a whole number from ${range.from} to ${range.to}`);
}

/** Seconds that MQTT can carry.
 * @throws {RangeError} */
export function secondsOf(text: string, name: string): number {
  return countOf(text, name, { from: 0, to: 0xffff_ffff });
}

/** Base64, of either alphabet. `hint` is told with the refusal.
 * @throws {TypeError} */
export function base64Of(text: string, name: string, hint = ""): Uint8Array {
  try {
    return Uint8Array.fromBase64(text, { alphabet: /[-_]/.test(text) ? "base64url" : "base64" });
  } catch (cause) {
    throw new TypeError(`Cannot read ${name}: it is not base64${hint}`, { cause });
  }
}

/** What percent-encoding stands for.
 * @throws {TypeError} when it is malformed or not UTF-8 */
export function percentDecoded(text: string, name: string): string {
  try {
    return decodeURIComponent(text);
  } catch (cause) {
    throw new TypeError(`Cannot read ${name}: its percent-encoding is malformed`, { cause });
  }
}

/** The topic that the rest of a path names. `.` and `..` are levels like others to MQTT, but clients and proxies take them out on the way,
 * so that nobody can say which topic was meant.
 * @throws {TypeError} when there is such a level, or the encoding is malformed */
export function topicOfPath(rest: string): string {
  const topic = percentDecoded(rest, "the topic");
  const level = topic.split("/").find((level) => level === "." || level === "..");
  if (level !== undefined) throw new TypeError(`Cannot take a topic with the level "${level}" from a path`);
  return topic;
}

/** The text that the bytes are in UTF-8, or undefined when they are none. A byte order mark stays. */
export function textOfPayload(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined; // which is the answer
  }
}

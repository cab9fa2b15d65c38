/** Topics as paths, and back: a segment is a level. */
import { CoapRefusal } from "./coap_refusal.ts";
import { type CoapOption, Code, OptionNumber } from "./message.ts";

/** The path that topics are read, written and observed under. */
export const TOPICS = "ps";

/** Of one segment (RFC 7252 section 5.10). */
const SEGMENT_BYTES_MAX = 255;
/** Of all levels of a topic that a message tells: what is longer does not fit into a datagram beside its payload. */
const NAME_BYTES_MAX = 512;

/** The topic or filter of the segments behind a prefix.
 * @throws {CoapRefusal} 4.00 when there are none */
export function topicOf(segments: readonly string[]): string {
  if (segments.length === 0) {
    throw new CoapRefusal(Code.badRequest, "Cannot find a topic in the path: it goes behind it");
  }
  return segments.join("/");
}

/** Whether it names more than one topic. */
export function isFilter(topic: string): boolean {
  return topic.split("/").some((level) => level === "+" || level === "#");
}

/** Location-Path options that name a topic; undefined for one that they cannot. */
export function locationOf(topic: string): readonly CoapOption[] | undefined {
  const levels = [TOPICS, ...topic.split("/")].map((level) => new TextEncoder().encode(level));
  const bytes = levels.reduce((sum, level) => sum + level.length, 0);
  if (bytes > NAME_BYTES_MAX || levels.some(({ length }) => length > SEGMENT_BYTES_MAX)) return undefined;
  return levels.map((value) => ({ number: OptionNumber.locationPath, value }));
}

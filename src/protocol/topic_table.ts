import type { Limits } from "../core/limits.ts";
import { isMemorable } from "../core/memo.ts";
import { assertTopicName, Topic } from "../core/topic.ts";
import { decodeUtf8, encodeUtf8 } from "../wire/utf8.ts";

/** Topics remembered. */
const TOPICS_MAX = 65_536;

/** Topics by their bytes, so that a busy topic is decoded, checked and matched once and not for every message.
 * One slot per hash: two names that share one only cost each other the memory of it. */
export class TopicTable {
  readonly #limits: Limits;
  readonly #byHash = new Map<number, Topic>();

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  /** The topic whose name stands in `bytes`, which are well-formed UTF-8.
   * @throws {Refusal} topic-name-invalid when it is too long or too deep. */
  read(bytes: Uint8Array, start: number, end: number): Topic {
    let hash = 0x811c_9dc5; // FNV-1a
    for (let i = start; i < end; i++) hash = Math.imul(hash ^ bytes[i], 0x0100_0193);
    const known = this.#byHash.get(hash);
    if (known !== undefined && isNamed(known, bytes, { start, end })) return known;
    const name = decodeUtf8(bytes, start, end);
    assertTopicName(name, end - start, this.#limits);
    const topic = new Topic(name, bytes.slice(start, end));
    if (isMemorable(name)) {
      if (this.#byHash.size >= TOPICS_MAX) this.#byHash.clear();
      this.#byHash.set(hash, topic);
    }
    return topic;
  }

  /** The topic of this name.
   * @throws {Refusal} topic-name-invalid */
  of(name: string): Topic {
    const bytes = encodeUtf8(name);
    assertTopicName(name, bytes.length, this.#limits);
    return this.read(bytes, 0, bytes.length);
  }
}

/** Whether these bytes are the name of `topic`. */
export function isNamed(topic: Topic, bytes: Uint8Array, range: { start: number; end: number }): boolean {
  const own = topic.bytes;
  const { start, end } = range;
  if (own.length !== end - start) return false;
  for (let i = 0; i < own.length; i++) if (own[i] !== bytes[start + i]) return false;
  return true;
}

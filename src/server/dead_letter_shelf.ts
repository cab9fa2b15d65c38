import type { ReplayOutcome, ReplayRefusal } from "../bridge/queue_gateway.ts";
import { deadLetterName } from "../core/queue/dead_letters.ts";
import { parseMessageId } from "../core/queue/message_id.ts";
import type { QueueStore } from "../core/queue/ports.ts";
import type { Queues } from "../core/queue/queues.ts";
import { type QueueRecord, recordBytes } from "../core/queue/record.ts";
import { Refusal } from "../core/refusal.ts";
import { quoted } from "../core/text.ts";
import type { Turn } from "../core/turn.ts";
import { readMessageProperties } from "../wire/properties.ts";
import type { DeadLetter, DeadLetterChoice, DeadLetterRange } from "./queue_api.ts";

/** What dead letters are worked with. */
interface DeadLetterShelfParts {
  readonly queues: Queues;
  readonly store: QueueStore;
  /** Lets the core decide, then persists and speaks. */
  readonly decide: <T>(decide: (turn: Turn) => T) => T;
  readonly settled: () => Promise<void>;
}

/** A dead letter and where it lies. */
interface Letter {
  readonly queue: string;
  readonly partition: number;
  readonly messageId: string;
  readonly record: QueueRecord;
}

const PAGE_RECORDS_MAX = 500;
const PAGE_BYTES_MAX = 4 * 1024 * 1024;
const LIMIT = 100;
/** Of those that cannot go back, for how many it is told why. */
const REFUSALS_MAX = 100;

/** The dead letters of all queues as people work with them: looked at, sent back and deleted without being consumed. */
export class DeadLetterShelf {
  readonly #parts: DeadLetterShelfParts;

  constructor(parts: DeadLetterShelfParts) {
    this.#parts = parts;
  }

  /** See {@link BrokerQueues.deadLetters}. */
  async list(queue: string, { limit = LIMIT, after, bytesMax = Infinity }: DeadLetterRange): Promise<DeadLetter[]> {
    const letters: DeadLetter[] = [];
    let bytes = 0;
    for await (const letter of this.#all(queue, after)) {
      letters.push(deadLetter(letter));
      bytes += recordBytes(letter.record);
      if (letters.length >= limit || bytes >= bytesMax) break;
    }
    return letters;
  }

  /** See {@link BrokerQueues.replay}. */
  async replay(queue: string, which: DeadLetterChoice, toEveryGroup: boolean): Promise<ReplayOutcome> {
    const refusals: ReplayRefusal[] = [];
    let refused = 0;
    const replayed = await this.#each(queue, which, (letter, turn) => {
      try {
        return this.#parts.queues.replay({ ...letter, toEveryGroup }, turn);
      } catch (error) { // this one cannot; the next one may
        if (!(error instanceof RangeError || error instanceof Refusal)) throw error;
        refused++;
        if (refused <= REFUSALS_MAX) refusals.push({ messageId: letter.messageId, reason: error.message });
        return false;
      }
    });
    return { replayed, refused, refusals };
  }

  /** See {@link BrokerQueues.deleteDeadLetters}. */
  async delete(queue: string, which: DeadLetterChoice): Promise<number> {
    return await this.#each(queue, which, (letter, turn) => this.#parts.queues.remove(letter, turn));
  }

  /** One decision for each, since a refused one must not hold up what the others have decided. Answers how many were there. */
  async #each(
    queue: string,
    which: DeadLetterChoice,
    act: (letter: Letter, turn: Turn) => boolean,
  ): Promise<number> {
    const { queues, decide, settled } = this.#parts;
    let count = 0;
    try {
      for await (const letter of which === "all" ? this.#all(queue) : this.#named(queue, which)) {
        if (queues.find(letter.queue) === undefined) break; // deleted meanwhile
        if (!decide((turn) => act(letter, turn))) continue;
        count++;
        if (count % PAGE_RECORDS_MAX === 0) await settled();
      }
    } finally {
      await settled();
    }
    return count;
  }

  /** Page by page, log by log, as they are now; what goes meanwhile is left out. */
  async *#all(queue: string, after?: string): AsyncGenerator<Letter> {
    const name = deadLetterName(queue);
    const begin = after === undefined ? undefined : placeIn(name, after);
    for (const { partition, logs } of this.#parts.queues.view(name)?.partitions ?? []) {
      if (begin !== undefined && partition < begin.partition) continue;
      for (const { logId, first, next } of logs) {
        const from = begin?.partition === partition ? Math.max(first, begin.offset + 1) : first;
        for await (const record of this.#records({ logId, from, to: next })) {
          if (this.#isThere(name, partition, record)) {
            yield { queue: name, partition, record, messageId: `${name}:${partition}:${record.offset}` };
          }
        }
      }
    }
  }

  async *#named(queue: string, messageIds: readonly string[]): AsyncGenerator<Letter> {
    const name = deadLetterName(queue);
    const places = messageIds.map((messageId) => ({ messageId, ...placeIn(name, messageId) })); // all, before any is touched
    for (const { messageId, partition, offset } of places) {
      const logs = this.#parts.queues.view(name)?.partitions[partition]?.logs ?? [];
      for (const { logId, first, next } of logs) { // one for each priority
        if (offset < first || offset >= next) continue;
        for await (const record of this.#records({ logId, from: offset, to: offset + 1 })) {
          if (this.#isThere(name, partition, record)) yield { queue: name, partition, record, messageId };
        }
      }
    }
  }

  /** What was taken out, or was settled by who consumes dead letters, may lie in the store for a while. */
  #isThere(name: string, partition: number, record: QueueRecord): boolean {
    return this.#parts.queues.find(name)?.has(record, partition) === true;
  }

  async *#records(span: { logId: number; from: number; to: number }): AsyncGenerator<QueueRecord> {
    let { from } = span;
    while (from < span.to) {
      const request = { ...span, from, limit: PAGE_RECORDS_MAX, bytesMax: PAGE_BYTES_MAX };
      const records = await this.#parts.store.queuePage(request);
      if (records.length === 0) return;
      yield* records;
      from = records.at(-1)!.offset + 1;
    }
  }
}

function deadLetter({ messageId, record }: Letter): DeadLetter {
  const { topic, key, payload, properties, origin } = record;
  return { ...readMessageProperties(properties, 0, properties.length), ...origin!, messageId, topic, key, payload };
}

/** @throws {RangeError} when it is none of that queue */
function placeIn(name: string, messageId: string): { partition: number; offset: number } {
  const place = parseMessageId(messageId);
  if (place?.queue === name) return place;
  throw new RangeError(`Cannot use ${quoted(messageId)} as a message-id: here it is ${name}:<partition>:<offset>`);
}

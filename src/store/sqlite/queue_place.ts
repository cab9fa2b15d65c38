import type { StoredQueueFailure } from "../../core/queue/mutation.ts";
import { SettledRanges } from "../../core/queue/settled_ranges.ts";
import { ByteReader } from "./byte_reader.ts";
import { ByteWriter } from "./byte_writer.ts";
import type { QueueStatements } from "./queue_statements.ts";

const writer = new ByteWriter();

/** What a commit works with of a group's place in one log. */
export class QueuePlace {
  #position: number;
  #notBefore: number;
  #settled: SettledRanges;
  /** What this commit settles: failures in it are over. */
  #ended = new SettledRanges();
  #failed = new Map<number, StoredQueueFailure>();
  #hasMoved = false;

  private constructor(position: number, notBefore: number, settled: readonly number[]) {
    this.#position = position;
    this.#notBefore = notBefore;
    this.#settled = new SettledRanges(settled);
  }

  /** Undefined when there is no such group. */
  static read(groupId: number, logId: number, { place }: QueueStatements): QueuePlace | undefined {
    const row = place.get(groupId, logId) as
      | { position: number | null; settled: Uint8Array<ArrayBuffer>; not_before: number }
      | undefined;
    if (row === undefined) return undefined;
    if (row.position === null) return new QueuePlace(0, 0, []);
    return new QueuePlace(row.position, row.not_before, unpackRanges(row.settled));
  }

  reset({ position, notBefore }: { position: number; notBefore: number }): void {
    this.#position = position;
    this.#notBefore = notBefore;
    this.#settled = new SettledRanges();
    this.#ended = new SettledRanges([0, Number.MAX_SAFE_INTEGER]);
    this.#failed.clear();
    this.#hasMoved = true;
  }

  settle({ from, to, position }: { from: number; to: number; position: number }): void {
    this.#settled.add(from, to);
    this.#ended.add(from, to);
    this.#hasMoved = true;
    if (position > this.#position) {
      this.#ended.add(0, position);
      this.#position = position;
    }
    this.#settled.dropBelow(this.#position);
    for (const offset of this.#failed.keys()) {
      if (offset < this.#position || (offset >= from && offset < to)) this.#failed.delete(offset);
    }
  }

  fail({ groupId, logId, offset, failures, failedAt, dueAt }: StoredQueueFailure): void {
    this.#failed.set(offset, { groupId, logId, offset, failures, failedAt, dueAt });
  }

  save(groupId: number, logId: number, { savePlace, endFailures, saveFailure }: QueueStatements): void {
    const ended = this.#ended.toArray();
    for (let i = 0; i < ended.length; i += 2) endFailures.run(groupId, logId, ended[i], ended[i + 1]);
    for (const { offset, failures, failedAt, dueAt } of this.#failed.values()) {
      saveFailure.run(groupId, logId, offset, failures, failedAt, dueAt);
    }
    if (!this.#hasMoved) return;
    savePlace.run(groupId, logId, this.#position, packRanges(this.#settled.toArray()), this.#notBefore);
  }
}

/** Each bound as its distance from the one before, in as few bytes as it needs. */
function packRanges(bounds: readonly number[]): Uint8Array<ArrayBuffer> {
  bounds.forEach((bound, i) => writer.varint(i === 0 ? bound : bound - bounds[i - 1]));
  return writer.take();
}

/** The bounds again. */
export function unpackRanges(data: Uint8Array<ArrayBuffer>): number[] {
  const reader = new ByteReader(data);
  const bounds: number[] = [];
  while (!reader.isAtEnd) bounds.push(reader.varint() + (bounds.at(-1) ?? 0));
  return bounds;
}

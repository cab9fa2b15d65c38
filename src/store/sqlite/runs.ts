import type { Mutation } from "../../core/mutation.ts";
import { isQueueMutation } from "../../core/queue/mutation.ts";
import type { QueueRecord } from "../../core/queue/record.ts";
import { packBlocks, type QueueBlock } from "./queue_blocks.ts";

/** Deliveries with consecutive sequences that were sent to one client with consecutive packet ids, or that it is done with. The front of
 * a queue goes out and is acknowledged in order: one statement for all of them, and one object on the way to the Worker. */
export type Run = SentRun | DoneRun;

/** `sequence` got `packetId`, the next sequence the next packet id, `count` of them. */
export interface SentRun {
  readonly kind: "deliveries-sent";
  readonly clientId: string;
  readonly sequence: number;
  readonly packetId: number;
  count: number;
}

/** From `sequence` on, `count` of them. */
export interface DoneRun {
  readonly kind: "deliveries-done";
  readonly clientId: string;
  readonly sequence: number;
  count: number;
}

/** A commit with every `delivery-sent` and `delivery-done` in a run, be it of one, and every `queue-appended` in a block. */
export type Batch =
  readonly (Exclude<Mutation, { kind: "delivery-sent" | "delivery-done" | "queue-appended" }> | Run | QueueBlock)[];

/** Gathers the runs and blocks of a commit behind the rest of it. Nothing else in a commit minds the place: what it does to a delivery
 * comes before that is sent or is the same afterwards, bodies go last of all, and what happens to records goes by their offsets. The
 * random commits of tests/contract hold that against the order in which the mutations came. */
export function withRuns(mutations: readonly Mutation[]): Batch {
  const batch: Batch[number][] = [];
  const sent = new Map<string, SentRun>();
  const done = new Map<string, DoneRun>();
  const sentRuns: SentRun[] = [];
  const doneRuns: DoneRun[] = [];
  const records = new Map<number, QueueRecord[]>();
  const settled = new SettledRuns(batch);
  for (const mutation of mutations) {
    if (mutation.kind === "delivery-done") {
      const { clientId, sequence } = mutation;
      const last = done.get(clientId);
      if (last !== undefined && last.sequence + last.count === sequence) {
        last.count++;
        continue;
      }
      const run: DoneRun = { kind: "deliveries-done", clientId, sequence, count: 1 };
      done.set(clientId, run);
      doneRuns.push(run);
    } else if (mutation.kind === "delivery-sent") {
      const { clientId, sequence, packetId } = mutation;
      const last = sent.get(clientId);
      if (last !== undefined && last.sequence + last.count === sequence && last.packetId + last.count === packetId) {
        last.count++;
        continue;
      }
      const run: SentRun = { kind: "deliveries-sent", clientId, sequence, packetId, count: 1 };
      sent.set(clientId, run);
      sentRuns.push(run);
    } else if (mutation.kind === "queue-appended") {
      const known = records.get(mutation.logId);
      if (known === undefined) records.set(mutation.logId, [mutation.record]);
      else known.push(mutation.record);
    } else if (mutation.kind === "queue-settled") {
      settled.add(mutation);
    } else {
      if (isQueueMutation(mutation)) settled.end();
      batch.push(mutation);
    }
  }
  for (const run of sentRuns) batch.push(run);
  for (const run of doneRuns) batch.push(run);
  for (const [logId, appended] of records) for (const block of packBlocks(logId, appended)) batch.push(block);
  return batch;
}

type Settled = Extract<Mutation, { kind: "queue-settled" }>;

/** Joins what a group settles of one log, one message after the other: mostly it is one range. */
class SettledRuns {
  readonly #batch: Batch[number][];
  /** Where in the batch the last range of a group and log is. */
  readonly #last = new Map<string, number>();

  constructor(batch: Batch[number][]) {
    this.#batch = batch;
  }

  add(mutation: Settled): void {
    const place = `${mutation.groupId} ${mutation.logId}`;
    const index = this.#last.get(place);
    const last = index === undefined ? undefined : this.#batch[index] as Settled;
    if (last === undefined || mutation.from > last.to || mutation.to < last.from) {
      this.#last.set(place, this.#batch.push(mutation) - 1);
      return;
    }
    const from = Math.min(last.from, mutation.from);
    const to = Math.max(last.to, mutation.to);
    this.#batch[index!] = { ...last, from, to, position: Math.max(last.position, mutation.position) };
  }

  /** What comes now may mind the order: nothing is joined across it. */
  end(): void {
    this.#last.clear();
  }
}

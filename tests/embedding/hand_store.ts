import { MemoryStore, type Mutation, type Store, type StoredState } from "../../mod.ts";
import { inTime } from "./waiting.ts";

/** A commit that the broker waits for. */
export interface PendingCommit {
  readonly mutations: readonly Mutation[];
  /** Applies it and lets the broker go on. */
  finish(): void;
  /** The disk is full. */
  fail(error: Error): void;
}

/** A store whose commits take until the test says so. */
export class HandStore implements Store {
  readonly #inner = new MemoryStore();
  readonly #pending: PendingCommit[] = [];
  #onCommit: ((commit: PendingCommit) => void) | undefined;
  /** Commits end by themselves while this is true. */
  isFast = false;
  commits = 0;
  isClosed = false;

  load(): Promise<StoredState> {
    return this.#inner.load();
  }

  commit(mutations: readonly Mutation[]): void | Promise<void> {
    if (this.isClosed) throw new Error("The broker commits to a store that it has closed");
    this.commits++;
    const kept = structuredClone(mutations); // what is committed is plain data, and the broker's own list may be used again
    if (this.isFast) return this.#inner.commit(kept);
    return new Promise<void>((resolve, reject) => {
      const finish = () => {
        this.#inner.commit(kept);
        resolve();
      };
      const commit = { mutations: kept, finish, fail: reject };
      if (this.#onCommit === undefined) return void this.#pending.push(commit);
      this.#onCommit(commit);
      this.#onCommit = undefined;
    });
  }

  close(): Promise<void> {
    this.isClosed = true;
    return Promise.resolve();
  }

  /** How many commits nobody has looked at. */
  get pendingCount(): number {
    return this.#pending.length;
  }

  /** The oldest commit that nobody has looked at, when it comes. */
  nextCommit(): Promise<PendingCommit> {
    const pending = this.#pending.shift();
    if (pending !== undefined) return Promise.resolve(pending);
    return inTime(new Promise((resolve) => this.#onCommit = resolve), "a commit");
  }

  /** From now on commits end by themselves; those that wait end now. */
  release(): void {
    this.isFast = true;
    for (const commit of this.#pending.splice(0)) commit.finish();
  }
}

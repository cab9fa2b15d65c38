import {
  MemoryStore,
  type Mutation,
  type PageRequest,
  type Store,
  type StoredPage,
  type StoredState,
} from "../../mod.ts";
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
  readonly #unfinished = new Set<PendingCommit>();
  #onCommit: ((commit: PendingCommit) => void) | undefined;
  /** Commits end by themselves while this is true. */
  isFast = false;
  commits = 0;
  /** Commits of nothing: what the disk has to do for them is lost time. They end at once. */
  emptyCommits = 0;
  isClosed = false;
  isFull = false;

  load(): Promise<StoredState> {
    return this.#inner.load();
  }

  commit(mutations: readonly Mutation[]): void | Promise<void> {
    if (this.isClosed) throw new Error("The broker commits to a store that it has closed");
    this.commits++;
    const kept = structuredClone(mutations); // what is committed is plain data, and the broker's own list may be used again
    if (mutations.length === 0) return void this.emptyCommits++;
    if (this.isFast) return this.#inner.commit(kept);
    return new Promise<void>((resolve, reject) => {
      const finish = () => {
        if (!this.#unfinished.delete(commit)) return;
        this.#inner.commit(kept);
        resolve();
      };
      const fail = (error: Error) => {
        this.#unfinished.delete(commit);
        reject(error);
      };
      const commit = { mutations: kept, finish, fail };
      this.#unfinished.add(commit);
      if (this.#onCommit === undefined) return void this.#pending.push(commit);
      this.#onCommit(commit);
      this.#onCommit = undefined;
    });
  }

  page(request: PageRequest): StoredPage | Promise<StoredPage> {
    return this.#inner.page(request);
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

  /** From now on commits end by themselves; those that wait end now. A test that fails half way would hang otherwise. */
  release(): void {
    this.isFast = true;
    for (const commit of this.#unfinished) commit.finish();
  }

  [Symbol.dispose](): void {
    this.release();
  }
}

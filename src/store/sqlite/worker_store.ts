import type { Mutation, StoredPage, StoredState } from "../../core/mutation.ts";
import type { PageRequest, Store } from "../../core/ports.ts";
import type { QueueStore } from "../../core/queue/ports.ts";
import { unpack } from "./packed_page.ts";
import type { StoreReply, StoreRequest } from "./protocol.ts";
import { withRuns } from "./runs.ts";
import type { OpenOptions } from "./sqlite_store.ts";
import { WorkerQueues } from "./worker_queues.ts";

/** Where the database is and what a commit promises. */
export interface WorkerStoreOptions extends OpenOptions {
  /** The folder that the Worker may read and write. */
  readonly folder: string;
  /** The database file in it. */
  readonly path: string;
}

/** A store whose database lives in a Worker, so that the event loop never waits for the disk. */
export class WorkerStore implements Store {
  readonly #worker: Worker;
  /** Durable queues. */
  readonly queues: QueueStore = new WorkerQueues((request) => this.#ask(request));
  /** Who waits for an answer, oldest first: the Worker answers in order. */
  readonly #waiting: PromiseWithResolvers<StoreReply>[] = [];
  #failure: Error | undefined;
  /** Whether the disk was full after the last commit. */
  isFull = false;
  /** Of the schema as it was found; 0 where there was none. */
  foundVersion = 0;
  /** Called when the database is closed. */
  onClosed: () => void = () => {};

  private constructor(folder: string) {
    this.#worker = new Worker(new URL("./worker.ts", import.meta.url), {
      type: "module",
      name: "weir-store",
      deno: {
        permissions: workerPermissions(folder),
      },
    } as WorkerOptions);
    this.#worker.onmessage = ({ data }: MessageEvent<StoreReply>) => this.#onReply(data);
    this.#worker.onerror = (event) => {
      event.preventDefault();
      this.#fail(new Error(`The store's Worker failed: ${event.message}`));
    };
    this.#worker.onmessageerror = () => this.#fail(new Error("The store's Worker said what cannot be read"));
  }

  /** Starts the Worker and opens the database in it.
   * @throws {Error} as {@link SqliteStore.open} says */
  static async open({ folder, path, ...options }: WorkerStoreOptions): Promise<WorkerStore> {
    const store = new WorkerStore(folder);
    try {
      const reply = await store.#ask({ kind: "open", path, options });
      store.foundVersion = (reply as Extract<StoreReply, { kind: "opened" }>).foundVersion;
      return store;
    } catch (error) {
      store.#worker.terminate();
      throw error;
    }
  }

  /** All that a start needs. */
  async load(): Promise<StoredState> {
    const reply = await this.#ask({ kind: "load" });
    return (reply as Extract<StoreReply, { kind: "loaded" }>).state;
  }

  /** Writes all in one transaction. */
  async commit(mutations: readonly Mutation[]): Promise<void> {
    await this.#ask({ kind: "commit", batch: withRuns(mutations) });
  }

  /** The next deliveries of a session that wait. */
  async page(request: PageRequest): Promise<StoredPage> {
    const reply = await this.#ask({ kind: "page", request });
    return unpack((reply as Extract<StoreReply, { kind: "paged" }>).page);
  }

  /** Sweeps out what ended sessions left; true while there is more. */
  async maintain(): Promise<boolean> {
    const reply = await this.#ask({ kind: "maintain" });
    return (reply as Extract<StoreReply, { kind: "maintained" }>).hasMore;
  }

  /** Closes the database and ends the Worker, also where that fails; what is asked for after it is refused. */
  async close(): Promise<void> {
    try {
      if (this.#failure === undefined) await this.#ask({ kind: "close" });
    } finally {
      this.#fail(new Error("Cannot use the store: it is closed"));
      this.#worker.terminate();
      this.onClosed();
    }
  }

  #ask(request: StoreRequest): Promise<StoreReply> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    const waiting = Promise.withResolvers<StoreReply>();
    this.#waiting.push(waiting);
    this.#worker.postMessage(request);
    return waiting.promise;
  }

  #onReply(reply: StoreReply): void {
    const waiting = this.#waiting.shift();
    if (reply.kind === "failed") waiting?.reject(new Error(reply.message));
    else {
      if ("isFull" in reply) this.isFull = reply.isFull;
      waiting?.resolve(reply);
    }
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    for (const waiting of this.#waiting.splice(0)) waiting.reject(error);
  }
}

/** The Worker has its folder and nothing else. */
export function workerPermissions(folder: string): Deno.PermissionOptionsObject {
  const nothing = { net: false, env: false, run: false, ffi: false, sys: false, import: false };
  return { read: [folder], write: [folder], ...nothing };
}

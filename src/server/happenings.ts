import type { Happening } from "../core/happening.ts";
import type { Turn } from "../core/turn.ts";

/** A reader of what comes to pass. */
export interface Watcher {
  readonly onHappening: (happening: Happening) => void;
  /** Whether it wants those of every single message too, which costs something for each. */
  readonly watchesMessages: boolean;
}

/** How far a reader of a stream may be behind. */
const STREAM_HAPPENINGS_MAX = 10_000;

/** Hands each happening to everyone who watches: logs, metrics, the program. */
export class Happenings {
  readonly #watchers = new Set<Watcher>();
  /** What closes each stream that is read. */
  readonly #streams = new Set<() => void>();
  readonly #turn: Turn;
  readonly #onError: (error: unknown) => void;

  constructor(turn: Turn, onError: (error: unknown) => void) {
    this.#turn = turn;
    this.#onError = onError;
  }

  /** Adds a watcher; call the answer to take it out again. */
  watch(watcher: Watcher): () => void {
    this.#watchers.add(watcher);
    this.#update();
    return () => {
      this.#watchers.delete(watcher);
      this.#update();
    };
  }

  /** As {@link watch}, as a stream; a reader that is far behind misses the newest. */
  stream({ watchesMessages }: Omit<Watcher, "onHappening">): ReadableStream<Happening> {
    let end: () => void;
    return new ReadableStream<Happening>({
      start: (controller) => {
        const onHappening = (happening: Happening) => {
          if (controller.desiredSize! > 0) controller.enqueue(happening);
        };
        const unwatch = this.watch({ onHappening, watchesMessages });
        const close = () => {
          end();
          controller.close();
        };
        end = () => {
          unwatch();
          this.#streams.delete(close);
        };
        this.#streams.add(close);
      },
      cancel: () => end(),
    }, { highWaterMark: STREAM_HAPPENINGS_MAX });
  }

  /** Ends all streams; what they hold can still be read. */
  close(): void {
    for (const close of [...this.#streams]) close();
  }

  tell(happening: Happening): void {
    const isOfMessage = happening.kind === "message-published" || happening.kind === "message-delivered";
    for (const watcher of this.#watchers) {
      if (isOfMessage && !watcher.watchesMessages) continue;
      try {
        watcher.onHappening(happening);
      } catch (error) { // a watcher's fault is not the clients'
        this.#onError(error);
      }
    }
  }

  #update(): void {
    this.#turn.watchesMessages = [...this.#watchers].some((watcher) => watcher.watchesMessages);
  }
}

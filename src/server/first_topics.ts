import type { Message } from "../core/message.ts";

/** Gathered beyond what is wanted before they are put in order: a million are not, for the first hundred. */
const SPARE_MAX = 1_000;

/** Of messages that come in any order those of the first topics, each once, in the order of their names' UTF-16 units. */
export class FirstTopics {
  readonly #limit: number;
  /** Of topics that are not beyond `#last`. */
  #found = new Map<string, Message>();
  readonly #after: string | undefined;
  /** The last of as many as are wanted; those behind it are not looked at. */
  #last: string | undefined;

  /** @param limit 1 or more
   * @param after the topic behind which the first one is; undefined for all */
  constructor(limit: number, after: string | undefined) {
    this.#limit = limit;
    this.#after = after;
  }

  /** Notes a message, the latest of its topic. */
  add(message: Message): void {
    const { name } = message.topic;
    if (this.#after !== undefined && name <= this.#after) return;
    if (this.#last !== undefined && name > this.#last) return;
    this.#found.set(name, message);
    if (this.#found.size >= this.#limit + SPARE_MAX) this.#cut();
  }

  inOrder(): Message[] {
    this.#cut();
    return [...this.#found.values()];
  }

  #cut(): void {
    const first = [...this.#found].sort(([a], [b]) => a < b ? -1 : 1).slice(0, this.#limit);
    this.#found = new Map(first);
    if (first.length === this.#limit) this.#last = first.at(-1)![0];
  }
}

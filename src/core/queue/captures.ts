import { filterMatches } from "../topic.ts";
import type { Queue } from "./queue.ts";

/** Topics whose answer is kept; beyond it all are forgotten. */
const ANSWERS_MAX = 10_000;

const NONE: readonly Queue[] = [];

/** Which queues copy the messages of an ordinary topic. Costs nothing while none does. */
export class Captures {
  #queues: readonly Queue[] = NONE;
  readonly #answers = new Map<string, readonly Queue[]>();

  /** Begins anew, after queues have come, changed or gone. */
  reset(queues: Iterable<Queue>): void {
    this.#queues = [...queues].filter(({ definition }) => definition.topics.length > 0);
    this.#answers.clear();
  }

  of(topic: string): readonly Queue[] {
    if (this.#queues.length === 0) return NONE;
    const known = this.#answers.get(topic);
    if (known !== undefined) return known;
    const found = this.#queues.filter(({ definition }) =>
      definition.topics.some((filter) => filterMatches(filter, topic))
    );
    if (this.#answers.size >= ANSWERS_MAX) this.#answers.clear();
    this.#answers.set(topic, found);
    return found;
  }
}

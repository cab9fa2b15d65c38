import { Memo } from "../memo.ts";
import { filterMatches } from "../topic.ts";
import type { Queue } from "./queue.ts";

/** Topics whose answer is kept. */
const ANSWERS_MAX = 10_000;

const NONE: readonly Queue[] = [];

/** Which queues copy the messages of an ordinary topic. Costs nothing while none does. */
export class Captures {
  #queues: readonly Queue[] = NONE;
  readonly #answers = new Memo<readonly Queue[]>(ANSWERS_MAX);

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
    this.#answers.set(topic, found);
    return found;
  }
}

/** Things that fall due, as a binary heap by time. What was cancelled stays until its time comes or until most of the heap is
 * such, so that a storm of reconnects does not fill it. */
export class Deadlines<T> {
  #heap: Deadline<T>[] = [];
  #cancelled = 0;

  /** When the next one is due in milliseconds; Infinity when there is none. */
  get next(): number {
    return this.#heap.length === 0 ? Infinity : this.#heap[0].at;
  }

  get size(): number {
    return this.#heap.length;
  }

  add(at: number, item: T): Deadline<T> {
    return this.#put({ at, item, isOver: false });
  }

  /** Sets a deadline that was taken anew. */
  again(deadline: Deadline<T>, at: number): void {
    deadline.at = at;
    deadline.isOver = false;
    this.#put(deadline);
  }

  #put(deadline: Deadline<T>): Deadline<T> {
    const { at } = deadline;
    const heap = this.#heap;
    let index = heap.push(deadline) - 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (heap[parent].at <= at) break;
      heap[index] = heap[parent];
      index = parent;
    }
    heap[index] = deadline;
    return deadline;
  }

  /** Calls `deadline` off; a second time or too late does nothing. */
  cancel(deadline: Deadline<T>): void {
    if (deadline.isOver) return;
    deadline.isOver = true;
    this.#cancelled++;
    if (this.#cancelled < 64 || this.#cancelled * 2 < this.#heap.length) return;
    const live = this.#heap.filter((each) => !each.isOver);
    for (let index = (live.length >> 1) - 1; index >= 0; index--) sink(live, index, live[index]);
    this.#heap = live;
    this.#cancelled = 0;
  }

  /** Takes out the earliest one that is due at `now` and not cancelled; undefined when there is none. */
  take(now: number): T | undefined {
    return this.takeDeadline(now)?.item;
  }

  /** As {@link take}, for who sets it {@link again}. */
  takeDeadline(now: number): Deadline<T> | undefined {
    while (this.#heap.length > 0 && this.#heap[0].at <= now) {
      const deadline = this.#pop();
      if (!deadline.isOver) {
        deadline.isOver = true;
        return deadline;
      }
      this.#cancelled--;
    }
    return undefined;
  }

  #pop(): Deadline<T> {
    const heap = this.#heap;
    const top = heap[0];
    const last = heap.pop()!;
    if (heap.length > 0) sink(heap, 0, last);
    return top;
  }
}

/** Puts `deadline` in its place at or below `start`, where what lies below is in order. */
function sink<T>(heap: Deadline<T>[], start: number, deadline: Deadline<T>): void {
  let index = start;
  for (;;) {
    let child = 2 * index + 1;
    if (child >= heap.length) break;
    if (child + 1 < heap.length && heap[child + 1].at < heap[child].at) child++;
    if (heap[child].at >= deadline.at) break;
    heap[index] = heap[child];
    index = child;
  }
  heap[index] = deadline;
}

/** Handed out by {@link Deadlines.add}. */
export interface Deadline<T> {
  /** Changed by {@link Deadlines.again} only. */
  at: number;
  readonly item: T;
  /** True once it was taken or cancelled. */
  isOver: boolean;
}

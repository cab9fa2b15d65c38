import type { QueueItem } from "./item.ts";

/** Messages of one partition in the order in which they are delivered: the highest priority first, then by offset. An item is in one of
 * them at a time, and knows where. */
export class ItemHeap {
  readonly #heap: QueueItem[] = [];

  get size(): number {
    return this.#heap.length;
  }

  /** What {@link pop} would take. */
  get first(): QueueItem | undefined {
    return this.#heap[0];
  }

  push(item: QueueItem): void {
    item.heap = this;
    this.#rise(this.#heap.push(item) - 1, item);
  }

  pop(): QueueItem | undefined {
    const first = this.#heap[0];
    if (first !== undefined) this.remove(first);
    return first;
  }

  /** Takes out one that is in it, wherever. */
  remove(item: QueueItem): void {
    item.heap = null;
    const last = this.#heap.pop()!;
    if (last !== item) this.#rise(this.#sink(item.heapIndex, last), last);
  }

  clear(): void {
    this.#heap.length = 0;
  }

  /** Puts `item` in its place at or above `index`. */
  #rise(index: number, item: QueueItem): void {
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!comesBefore(item, this.#heap[parent])) break;
      this.#put(index, this.#heap[parent]);
      index = parent;
    }
    this.#put(index, item);
  }

  /** Makes room for `item` at or below `index`, and answers where. */
  #sink(index: number, item: QueueItem): number {
    const heap = this.#heap;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= heap.length) return index;
      if (child + 1 < heap.length && comesBefore(heap[child + 1], heap[child])) child++;
      if (!comesBefore(heap[child], item)) return index;
      this.#put(index, heap[child]);
      index = child;
    }
  }

  #put(index: number, item: QueueItem): void {
    this.#heap[index] = item;
    item.heapIndex = index;
  }
}

function comesBefore(a: QueueItem, b: QueueItem): boolean {
  const { record } = a;
  const other = b.record;
  return record.priority === other.priority ? record.offset < other.offset : record.priority > other.priority;
}

import type { QueueItem } from "./item.ts";

/** Messages of one partition in the order in which they are delivered: the highest priority first, then by offset. */
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
    const heap = this.#heap;
    let index = heap.push(item) - 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!comesBefore(item, heap[parent])) break;
      heap[index] = heap[parent];
      index = parent;
    }
    heap[index] = item;
  }

  pop(): QueueItem | undefined {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return last;
    const top = heap[0];
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && comesBefore(heap[child + 1], heap[child])) child++;
      if (!comesBefore(heap[child], last)) break;
      heap[index] = heap[child];
      index = child;
    }
    heap[index] = last;
    return top;
  }

  clear(): void {
    this.#heap.length = 0;
  }
}

function comesBefore(a: QueueItem, b: QueueItem): boolean {
  const { record } = a;
  const other = b.record;
  return record.priority === other.priority ? record.offset < other.offset : record.priority > other.priority;
}

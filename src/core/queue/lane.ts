import { Fifo } from "./fifo.ts";
import type { GroupPartition } from "./group_partition.ts";
import type { QueueItem } from "./item.ts";
import type { QueueMember } from "./member.ts";

/** Where messages and members meet: partitions that have something to deliver, and members that want something, each in turn. */
export class Lane {
  /** Guards against being served within being served: a consumer may settle while it is handed a message. */
  isServing = false;
  readonly #ready = new Fifo<GroupPartition>();
  readonly #hungry = new Fifo<QueueMember>();

  /** The partition has something to deliver. */
  list(partition: GroupPartition): void {
    if (partition.listedIn === this) return;
    partition.listedIn = this;
    this.#ready.push(partition);
  }

  /** The member wants something, if it does. */
  feed(member: QueueMember): void {
    if (member.isHungry || !member.hasRoom) return;
    member.isHungry = true;
    this.#hungry.push(member);
  }

  /** Whose turn it is, or undefined when nobody can take a message. */
  nextMember(): QueueMember | undefined {
    for (;;) {
      const member = this.#hungry.peek();
      if (member === undefined || member.hasRoom) return member;
      member.isHungry = false;
      this.#hungry.shift();
    }
  }

  /** The member whose turn it was has got something. */
  rotate(): void {
    if (this.#hungry.length > 1) this.#hungry.push(this.#hungry.shift()!);
  }

  /** Takes out what is delivered next, one of each partition in turn. */
  nextItem(): QueueItem | undefined {
    for (;;) {
      const partition = this.#ready.shift();
      if (partition === undefined) return undefined;
      if (partition.listedIn === this) partition.listedIn = null;
      if (partition.lane !== this) continue; // it belongs to somebody else now
      if (!partition.hasReady) continue; // and is listed again when that changes
      const item = partition.take();
      if (partition.hasReady) this.list(partition);
      if (item !== undefined) return item;
    }
  }
}

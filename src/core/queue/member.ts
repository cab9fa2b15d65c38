import type { Deadline } from "../deadlines.ts";
import type { Turn } from "../turn.ts";
import { HoldList, type QueueDelivery } from "./delivery.ts";
import type { Due } from "./due.ts";
import type { Group } from "./group.ts";
import type { GroupPartition } from "./group_partition.ts";
import type { Lane } from "./lane.ts";

/** Who takes messages: a subscription of a session, a request of another door. The shell owns it; the engine asks nothing but this. */
export interface QueueConsumer {
  /** The client's id. */
  readonly id: string;
  /** Whether it can take one more now; where not, `pump` is called when it can again. */
  readonly hasRoom: boolean;
  /** Takes a message; it is said once what stands in `turn` is committed. It may settle it at once. */
  deliver(delivery: QueueDelivery, turn: Turn): void;
  /** It holds the message no longer, through nothing that it did: its time was over, or it left, or the message or the queue went.
   * It must not call the engine from here. */
  withdraw(delivery: QueueDelivery, turn: Turn): void;
  /** Its queue or its group was deleted, and it is a member of the one that is there now. Absent for who does not go on then. */
  rejoined?(member: QueueMember): void;
}

/** A consumer in a group. */
export class QueueMember implements Due {
  readonly group: Group;
  readonly consumer: QueueConsumer;
  /** 0 for what the queue says. */
  readonly prefetch: number;
  /** Messages that it has. */
  held = 0;
  /** Messages that it was ever handed. */
  deliveries = 0;
  /** Those by the time at which they were delivered, and those whose time is their own. */
  readonly holds: HoldList = new HoldList();
  readonly extended: HoldList = new HoldList();
  /** What it is served from: its own with the ordering `partition`, that of all members otherwise. */
  readonly lane: Lane;
  /** What is its own with the ordering `partition`. */
  readonly partitions: GroupPartition[] = [];
  /** Whether its lane knows that it wants messages. */
  isHungry = false;
  isGone = false;
  /** When the first of `holds` may be over. */
  alarm: Deadline<Due> | null = null;

  constructor(group: Group, options: { consumer: QueueConsumer; prefetch: number; lane: Lane }) {
    this.group = group;
    this.consumer = options.consumer;
    this.prefetch = options.prefetch;
    this.lane = options.lane;
  }

  get hasRoom(): boolean {
    return !this.isGone && this.held < (this.prefetch || this.group.queue.definition.prefetch) && this.consumer.hasRoom;
  }

  due(turn: Turn): void {
    this.group.custody.expireHolds(this, turn);
  }
}

import type { GroupPartition } from "./group_partition.ts";
import type { QueueMember } from "./member.ts";

/** A member joins: it takes from those that have most, until nobody has more than one more than it has. The others keep theirs. */
export function takeShare(member: QueueMember, others: readonly QueueMember[]): void {
  for (;;) {
    const rich = extreme(others, (a, b) => a > b);
    if (rich === undefined || rich.partitions.length <= member.partitions.length + 1) return;
    give(rich.partitions.pop()!, member);
  }
}

/** Partitions that are nobody's go to those that have least. */
export function shareOut(partitions: readonly GroupPartition[], members: readonly QueueMember[]): void {
  for (const partition of partitions) {
    const poor = extreme(members, (a, b) => a < b);
    if (poor !== undefined) give(partition, poor);
  }
}

function give(partition: GroupPartition, member: QueueMember): void {
  member.partitions.push(partition);
  partition.lane = member.lane;
  if (partition.hasReady) member.lane.list(partition);
}

/** The first of those that have most or least. */
function extreme(
  members: readonly QueueMember[],
  isBetter: (a: number, b: number) => boolean,
): QueueMember | undefined {
  let best: QueueMember | undefined;
  for (const member of members) {
    if (best === undefined || isBetter(member.partitions.length, best.partitions.length)) best = member;
  }
  return best;
}

// What queues promise, as plain lists: who is owed which message, who has it, and since when it is somebody else's. It shares no code
// with the engine but the names of options.
import assert from "node:assert/strict";
import type { QueueDefinition } from "../../../src/core/queue/definition.ts";
import { matchesByExpression } from "../matcher.ts";

export interface ModelMessage {
  readonly text: string;
  readonly partition: number;
  readonly offset: number;
  readonly key: string;
  readonly routingKey: string;
  readonly priority: number;
  readonly expiresAt: number;
  readonly appendedAt: number;
  /** The only group that gets it; empty for all. */
  readonly group: string;
  /** It is in the log no longer. */
  isRemoved: boolean;
  /** It was taken out by hand: it is for nobody any more. */
  isOut: boolean;
  /** There is news of what it was about: nobody is owed it, though who has read it already may still be handed it. */
  isCompacted: boolean;
}

/** Where a group is with a message. */
export interface Standing {
  isSettled: boolean;
  /** It is none of the group's business: another's, or from before its beginning. */
  isPassed: boolean;
  failures: number;
  dueAt: number;
  /** Who has it, until when. */
  holder: string;
  deadline: number;
}

export class ModelGroup {
  readonly name: string;
  readonly filter: string;
  readonly clientId: string;
  /** Since when nobody is in it; 0 while somebody is. */
  idleSince = 0;
  /** Whether what it has not settled is known exactly: where it begins at a time, that is so when it has looked. */
  isCounted = true;
  readonly #standings = new Map<ModelMessage, Standing>();

  constructor(name: string, filter: string, clientId: string) {
    this.name = name;
    this.filter = filter;
    this.clientId = clientId;
  }

  of(message: ModelMessage): Standing {
    let standing = this.#standings.get(message);
    if (standing === undefined) {
      const isPassed = !this.wants(message);
      standing = { isSettled: isPassed, isPassed, failures: 0, dueAt: 0, holder: "", deadline: 0 };
      this.#standings.set(message, standing);
    }
    return standing;
  }

  wants(message: ModelMessage): boolean {
    if (message.group !== "" && message.group !== this.name) return false;
    return this.filter === "#" || matchesByExpression(this.filter, message.routingKey);
  }

  /** Begins anew: what is at or above the position of its partition is owed. */
  start(messages: readonly ModelMessage[], isBelow: (message: ModelMessage) => boolean): void {
    for (const message of messages) {
      this.#standings.delete(message);
      if (isBelow(message)) Object.assign(this.of(message), { isSettled: true, isPassed: true });
    }
  }

  /** The broker went down: nobody has anything. */
  forgetHolders(): void {
    for (const standing of this.#standings.values()) standing.holder = "";
  }
}

export class ModelQueue {
  definition: QueueDefinition;
  readonly messages: ModelMessage[] = [];
  /** Where what was published with a key lies, since the partitions were changed last. */
  readonly homes = new Map<string, number>();
  /** The offset of the newest tombstone of a message key that compaction has taken. */
  readonly tombstones = new Map<string, number>();
  readonly groups = new Map<string, ModelGroup>();
  delayed: { readonly text: string; readonly dueAt: number }[] = [];
  readonly keys = new Map<string, number>();

  constructor(definition: QueueDefinition) {
    this.definition = definition;
  }

  /** What is in the logs. */
  get present(): ModelMessage[] {
    return this.messages.filter(({ isRemoved }) => !isRemoved);
  }

  at(partition: number, offset: number): ModelMessage {
    const found = this.messages.find((each) => each.partition === partition && each.offset === offset);
    assert.ok(found, `${this.definition.name}:${partition}:${offset} was never appended`);
    return found;
  }

  unsettled(group: ModelGroup): ModelMessage[] {
    return this.present.filter((message) => !message.isCompacted && !group.of(message).isSettled);
  }

  /** What limits count. */
  get depth(): number {
    const lags = [...this.groups.values()].map((group) => this.unsettled(group).length);
    const all = this.present.filter(({ isOut }) => !isOut).length;
    return (lags.length === 0 ? all : Math.max(...lags)) + this.delayed.length;
  }

  /** What has to be settled before `message` may be delivered: earlier ones of its key. */
  inFrontOf(message: ModelMessage, group: ModelGroup): ModelMessage[] {
    const { ordering } = this.definition;
    if (ordering === "none" || (ordering === "partition" && message.key === "")) return [];
    return this.unsettled(group).filter((other) => {
      return other.partition === message.partition && other.offset < message.offset &&
        other.priority === message.priority && (ordering === "strict" || other.key === message.key);
    });
  }

  /** Others that must not be under way while `message` is. */
  rivals(message: ModelMessage, group: ModelGroup): ModelMessage[] {
    const { ordering } = this.definition;
    if (ordering === "none" || (ordering === "partition" && message.key === "")) return [];
    return this.present.filter((other) => {
      return other !== message && other.partition === message.partition && !group.of(other).isSettled &&
        (ordering === "strict" || other.key === message.key);
    });
  }

  /** Whether a message is due now, whoever may have room for it. */
  isEligible(message: ModelMessage, group: ModelGroup, now: number): boolean {
    const { isSettled, holder, dueAt } = group.of(message);
    if (message.isCompacted || isSettled || holder !== "" || dueAt > now || message.expiresAt <= now) return false;
    return this.rivals(message, group).every((other) => group.of(other).holder === "" && group.of(other).dueAt <= now);
  }
}

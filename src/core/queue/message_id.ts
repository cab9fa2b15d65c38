/** Where a message lies, as its consumers and publishers name it. */
export interface MessagePlace {
  readonly queue: string;
  readonly partition: number;
  readonly offset: number;
}

/** `name:partition:offset`. */
export function messageIdOf(queue: string, partition: number, offset: number): string {
  return `${queue}:${partition}:${offset}`;
}

/** Read from the end, since a name may hold ":"; undefined when it is no message id. */
export function parseMessageId(messageId: string): MessagePlace | undefined {
  const parts = /^(.+):(\d{1,4}):(\d{1,16})$/s.exec(messageId);
  return parts === null ? undefined : { queue: parts[1], partition: Number(parts[2]), offset: Number(parts[3]) };
}

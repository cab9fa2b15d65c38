import { QUEUE_PREFIX } from "./address.ts";

/** The part of a topic `$queue/<name>/<routing/key>` behind the name; empty when there is none. */
export function routingKeyOf(topic: string, queue: string): string {
  return topic.slice(QUEUE_PREFIX.length + queue.length + 1);
}

/** The topic that a consumer of a queue gets a message by. */
export function queueTopic(queue: string, routingKey: string): string {
  return routingKey === "" ? QUEUE_PREFIX + queue : `${QUEUE_PREFIX}${queue}/${routingKey}`;
}

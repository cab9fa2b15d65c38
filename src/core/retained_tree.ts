import { type LevelNode, LevelTree } from "./level_tree.ts";
import type { Message } from "./message.ts";

/** What a level of a topic takes in memory. A topic of 128 empty levels has 127 bytes and needs a hundred times as many. */
const NODE_BYTES = 96;

/** The retained message of each topic, kept as a tree so that a filter is answered without a look at every topic. */
export class RetainedTree {
  readonly #tree = new LevelTree<Message>();
  #count = 0;
  #bytes = 0;

  get count(): number {
    return this.#count;
  }

  /** Of all messages, and of the nodes that lead to them. */
  get bytes(): number {
    return this.#bytes + this.#tree.size * NODE_BYTES;
  }

  /** How many bytes more there would be with the message in its topic's place; fewer where it is less than zero. */
  growth(message: Message): number {
    const { name } = message.topic;
    const replaced = this.get(name);
    return replaced === undefined ? message.size + this.#tree.missing(name) * NODE_BYTES : message.size - replaced.size;
  }

  get(topic: string): Message | undefined {
    return this.#tree.find(topic)?.value ?? undefined;
  }

  /** Puts the message in the place of the topic's former one ([MQTT-3.3.1-5]); it owns its bytes already. */
  set(message: Message): void {
    const node = this.#tree.grow(message.topic.name);
    if (node.value === null) this.#count++;
    else this.#bytes -= node.value.size;
    node.value = message;
    this.#bytes += message.size;
  }

  /** Removes the topic's message and answers it; undefined when there was none. */
  delete(topic: string): Message | undefined {
    const node = this.#tree.find(topic);
    const message = node?.value;
    if (!node || !message) return undefined;
    node.value = null;
    this.#count--;
    this.#bytes -= message.size;
    this.#tree.prune(node);
    return message;
  }

  /** Every retained message whose topic `filter` matches. A leading wildcard does not match `$` topics ([MQTT-4.7.2-1]). */
  match(filter: string): Message[] {
    return [...this.walk(filter)].filter((message) => message !== null);
  }

  /** As {@link match}, a step at a time, with null for each step that finds none: a walk through a million topics need not be made in
   * one go. What changes under way is found as it is when the walk gets there. */
  *walk(filter: string): Generator<Message | null> {
    const levels = filter.split("/");
    const hashAt = levels.at(-1) === "#" ? levels.length - 1 : Infinity;
    const isOpen = levels[0] === "#" || levels[0] === "+";
    const path: Iterator<LevelNode<Message>>[] = [[this.#tree.root].values()]; // no recursion, however deep the topic
    while (path.length > 0) {
      const depth = path.length - 1;
      const { value: node, done } = path[depth].next();
      if (done === true) path.pop();
      else if (depth === 1 && isOpen && isReserved(node)) yield null;
      else {
        yield depth === levels.length || depth >= hashAt ? node.value : null;
        path.push(matching(node, depth >= hashAt ? "#" : levels[depth]));
      }
    }
  }
}

/** The nodes that one level of a filter leads to from `node`; none behind its last. */
function matching(node: LevelNode<Message>, level: string | undefined): Iterator<LevelNode<Message>> {
  if (level === "#" || level === "+") return node.children();
  const child = level === undefined ? undefined : node.child(level);
  return (child === undefined ? [] : [child]).values();
}

function isReserved({ level }: LevelNode<Message>): boolean {
  return level.charCodeAt(0) === 36;
}

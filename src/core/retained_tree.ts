import type { Message } from "./message.ts";

/** One level of the tree of retained messages. */
class Node {
  readonly parent: Node | null;
  readonly level: string;
  children: Map<string, Node> | null = null;
  message: Message | null = null;

  constructor(parent: Node | null, level: string) {
    this.parent = parent;
    this.level = level;
  }
}

/** The retained message of each topic, kept as a tree so that a filter is answered without a look at every topic. */
export class RetainedTree {
  readonly #root = new Node(null, "");
  #count = 0;
  #bytes = 0;

  get count(): number {
    return this.#count;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get(topic: string): Message | undefined {
    return this.#find(topic)?.message ?? undefined;
  }

  /** Puts the message in the place of the topic's former one ([MQTT-3.3.1-5]); it owns its bytes already. */
  set(message: Message): void {
    let node = this.#root;
    for (const level of message.topic.name.split("/")) {
      const children = node.children ??= new Map<string, Node>();
      let child = children.get(level);
      if (child === undefined) children.set(level, child = new Node(node, level));
      node = child;
    }
    if (node.message === null) this.#count++;
    else this.#bytes -= node.message.size;
    node.message = message;
    this.#bytes += message.size;
  }

  /** Removes the topic's message and answers it; undefined when there was none. */
  delete(topic: string): Message | undefined {
    let node = this.#find(topic);
    const message = node?.message;
    if (node === undefined || message === null || message === undefined) return undefined;
    node.message = null;
    this.#count--;
    this.#bytes -= message.size;
    while (node.parent !== null && node.message === null && node.children === null) {
      const parent: Node = node.parent;
      parent.children!.delete(node.level);
      if (parent.children!.size === 0) parent.children = null;
      node = parent;
    }
    return message;
  }

  /** Every retained message whose topic `filter` matches. A leading wildcard does not match `$` topics ([MQTT-4.7.2-1]). */
  match(filter: string): Message[] {
    const levels = filter.split("/");
    let here: Node[] = [this.#root];
    for (let depth = 0; depth < levels.length; depth++) {
      const level = levels[depth];
      if (level === "#") return below(here, depth === 0);
      const next: Node[] = [];
      for (const { children } of here) {
        if (children === null) continue;
        if (level === "+") {
          for (const child of children.values()) if (depth > 0 || !isReserved(child)) next.push(child);
        } else {
          const child = children.get(level);
          if (child !== undefined) next.push(child);
        }
      }
      here = next;
    }
    return messagesOf(here);
  }

  #find(topic: string): Node | undefined {
    let node: Node | undefined = this.#root;
    for (const level of topic.split("/")) {
      node = node.children?.get(level);
      if (node === undefined) return undefined;
    }
    return node;
  }
}

/** The messages of `nodes` and of everything under them, without recursion. */
function below(nodes: readonly Node[], atRoot: boolean): Message[] {
  const stack: Node[] = [];
  const found: Message[] = [];
  for (const node of nodes) {
    if (node.message !== null) found.push(node.message);
    for (const child of node.children?.values() ?? []) if (!atRoot || !isReserved(child)) stack.push(child);
  }
  for (let node = stack.pop(); node !== undefined; node = stack.pop()) {
    if (node.message !== null) found.push(node.message);
    for (const child of node.children?.values() ?? []) stack.push(child);
  }
  return found;
}

function messagesOf(nodes: readonly Node[]): Message[] {
  const found: Message[] = [];
  for (const { message } of nodes) if (message !== null) found.push(message);
  return found;
}

function isReserved(node: Node): boolean {
  return node.level.charCodeAt(0) === 36;
}

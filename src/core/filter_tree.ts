import { LevelNode } from "./level_tree.ts";

const SLASH = 0x2f;
const PLUS = 0x2b;
const HASH = 0x23;

/** Takes all that is left of a topic. */
const ALL = Infinity;
const NOTHING = -1;

/** A tree of filters that has a node only where filters part or end, which stands for its level and for those on the way to it: a filter of
 * 128 levels that nobody shares is one node. Filters are well formed. */
export class FilterTree<T> {
  readonly #root = new LevelNode<T>(null, "");

  /** The node of a filter that has been added. */
  find(filter: string): LevelNode<T> | undefined {
    let node = this.#root;
    for (let at = -1; at < filter.length;) {
      const end = levelEnd(filter, at + 1);
      const child = node.child(filter.slice(at + 1, end));
      if (child === undefined || sharedPart(child.tail, filter, end) < child.tail.length) return undefined;
      at = end + child.tail.length;
      node = child;
    }
    return node;
  }

  /** As {@link find}; a node that is missing is made. */
  grow(filter: string): LevelNode<T> {
    let node = this.#root;
    for (let at = -1; at < filter.length;) {
      const end = levelEnd(filter, at + 1);
      const level = filter.slice(at + 1, end);
      const child = node.child(level);
      if (child === undefined) {
        const leaf = new LevelNode<T>(node, level, filter.slice(end));
        node.put(leaf);
        return leaf;
      }
      const shared = sharedPart(child.tail, filter, end);
      node = shared === child.tail.length ? child : split(node, child, shared);
      at = end + shared;
    }
    return node;
  }

  /** Takes out a node that has lost its value, and those above it that only led to it. */
  prune(node: LevelNode<T>): void {
    const { parent, single } = node;
    if (parent === null || node.value !== null) return;
    if (node.isLeaf) {
      parent.drop(node);
      this.prune(parent); // not far: it had other children, or a value
    } else if (single !== undefined) {
      join(parent, node, single);
    }
  }

  /** The values of all filters that match a topic; a leading wildcard matches only where it may ([MQTT-4.7.2-1]). No recursion, however
   * deep it is. */
  matching(topic: string, leadingMay: boolean): T[] {
    const found: T[] = [];
    const nodes = [this.#root];
    const places = [-1]; // in the topic, in front of what is not matched yet
    const follow = (node: LevelNode<T> | undefined, at: number): void => {
      if (node === undefined) return;
      const end = node.tail === "" ? at : through(node.tail, topic, at);
      if (end === ALL) return take(node, found);
      if (end === NOTHING) return;
      nodes.push(node);
      places.push(end);
    };
    for (let node = nodes.pop(); node !== undefined; node = nodes.pop()) {
      const at = places.pop()!;
      const isEnd = at === topic.length;
      const mayBeAny = at >= 0 || leadingMay;
      if (isEnd) take(node, found);
      if (mayBeAny) take(node.child("#"), found); // "sport/#" matches "sport" too ([MQTT-4.7.1-2])
      if (isEnd || node.isLeaf) continue;
      const end = levelEnd(topic, at + 1);
      if (mayBeAny) follow(node.child("+"), end);
      follow(node.child(topic.slice(at + 1, end)), end);
    }
    return found;
  }
}

/** Puts a node between `parent` and `child` that takes over so much of the child's tail. */
function split<T>(parent: LevelNode<T>, child: LevelNode<T>, at: number): LevelNode<T> {
  const { level, tail } = child;
  const upper = new LevelNode(parent, level, tail.slice(0, at));
  parent.put(upper);
  const end = levelEnd(tail, at + 1);
  child.move(upper, tail.slice(at + 1, end), tail.slice(end));
  return upper;
}

/** Puts the only child of `node` in its place. */
function join<T>(parent: LevelNode<T>, { level, tail }: LevelNode<T>, child: LevelNode<T>): void {
  child.move(parent, level, `${tail}/${child.level}${child.tail}`);
}

function take<T>(node: LevelNode<T> | undefined, found: T[]): void {
  if (node !== undefined && node.value !== null) found.push(node.value);
}

function levelEnd(path: string, from: number): number {
  const slash = path.indexOf("/", from);
  return slash < 0 ? path.length : slash;
}

/** How much of a tail the filter has at `at`, up to the end of a level of both. */
function sharedPart(tail: string, filter: string, at: number): number {
  let shared = 0;
  for (let i = 0;; i++) {
    const mine = tail.charCodeAt(i);
    const other = filter.charCodeAt(at + i);
    if ((i === tail.length || mine === SLASH) && (at + i === filter.length || other === SLASH)) shared = i;
    if (mine !== other) return shared; // NaN at an end
  }
}

/** Where in the topic a tail ends that matches it from `at` on. */
function through(tail: string, topic: string, at: number): number {
  for (let i = 0; i < tail.length;) {
    const first = tail.charCodeAt(i + 1);
    if (first === HASH) return ALL;
    if (at === topic.length) return NOTHING;
    if (first === PLUS) {
      i += 2;
      at = levelEnd(topic, at + 1);
      continue;
    }
    for (i++, at++; i < tail.length && tail.charCodeAt(i) !== SLASH; i++, at++) {
      if (tail.charCodeAt(i) !== topic.charCodeAt(at)) return NOTHING; // NaN behind its end
    }
    if (at < topic.length && topic.charCodeAt(at) !== SLASH) return NOTHING;
  }
  return at;
}

/** One level of a tree of topics or filters. Most have a single child, which needs no map: a filter of a hundred levels would be a
 * hundred maps. */
export class LevelNode<T> {
  readonly parent: LevelNode<T> | null;
  readonly level: string;
  value: T | null = null;
  #only: LevelNode<T> | null = null;
  #several: Map<string, LevelNode<T>> | null = null;

  constructor(parent: LevelNode<T> | null, level: string) {
    this.parent = parent;
    this.level = level;
  }

  get isLeaf(): boolean {
    return this.#only === null && this.#several === null;
  }

  child(level: string): LevelNode<T> | undefined {
    if (this.#several !== null) return this.#several.get(level);
    return this.#only !== null && this.#only.level === level ? this.#only : undefined;
  }

  /** All children; one that comes or goes while they are gone through may be among them or not. */
  children(): Iterator<LevelNode<T>> {
    return this.#several?.values() ?? (this.#only === null ? [] : [this.#only]).values();
  }

  /** The child of that level, which is made where there is none. */
  grow(level: string): LevelNode<T> {
    return this.child(level) ?? this.#add(level);
  }

  /** Takes `child` out. */
  drop(child: LevelNode<T>): void {
    this.#only = null;
    this.#several?.delete(child.level);
    if (this.#several?.size === 0) this.#several = null;
  }

  #add(level: string): LevelNode<T> {
    const child = new LevelNode<T>(this, level);
    if (this.isLeaf) {
      this.#only = child;
    } else {
      this.#several ??= new Map([[this.#only!.level, this.#only!]]);
      this.#only = null;
      this.#several.set(level, child);
    }
    return child;
  }
}

/** The node that `path` leads to, without recursion, however deep it is. */
export function findNode<T>(root: LevelNode<T>, path: string): LevelNode<T> | undefined {
  let node: LevelNode<T> | undefined = root;
  for (const level of path.split("/")) {
    node = node.child(level);
    if (node === undefined) return undefined;
  }
  return node;
}

/** As {@link findNode}; what is missing on the way is made. */
export function growNode<T>(root: LevelNode<T>, path: string): LevelNode<T> {
  let node = root;
  for (const level of path.split("/")) node = node.grow(level);
  return node;
}

/** Takes out `leaf`, and those above it, as long as they hold nothing. */
export function pruneNode<T>(leaf: LevelNode<T>): void {
  let node = leaf;
  while (node.parent !== null && node.value === null && node.isLeaf) {
    node.parent.drop(node);
    node = node.parent;
  }
}

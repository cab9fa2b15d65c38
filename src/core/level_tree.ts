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

  /** Makes the child of that level, which there is not. */
  add(level: string): LevelNode<T> {
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

  /** Takes `child` out. */
  drop(child: LevelNode<T>): void {
    this.#only = null;
    this.#several?.delete(child.level);
    if (this.#several?.size === 0) this.#several = null;
  }
}

/** A tree of topics or filters, by their levels. */
export class LevelTree<T> {
  readonly root = new LevelNode<T>(null, "");
  #size = 0;

  /** Nodes below the root: topics that begin alike share theirs. */
  get size(): number {
    return this.#size;
  }

  /** The node that `path` leads to, without recursion, however deep it is. */
  find(path: string): LevelNode<T> | undefined {
    let node: LevelNode<T> | undefined = this.root;
    for (const level of path.split("/")) {
      node = node.child(level);
      if (node === undefined) return undefined;
    }
    return node;
  }

  /** How many nodes {@link grow} would make. */
  missing(path: string): number {
    const levels = path.split("/");
    let node: LevelNode<T> | undefined = this.root;
    for (const [depth, level] of levels.entries()) {
      node = node.child(level);
      if (node === undefined) return levels.length - depth;
    }
    return 0;
  }

  /** As {@link find}; what is missing on the way is made. */
  grow(path: string): LevelNode<T> {
    let node = this.root;
    for (const level of path.split("/")) node = node.child(level) ?? this.#add(node, level);
    return node;
  }

  /** Takes out `leaf`, and those above it, as long as they hold nothing. */
  prune(leaf: LevelNode<T>): void {
    let node = leaf;
    while (node.parent !== null && node.value === null && node.isLeaf) {
      node.parent.drop(node);
      this.#size--;
      node = node.parent;
    }
  }

  #add(node: LevelNode<T>, level: string): LevelNode<T> {
    this.#size++;
    return node.add(level);
  }
}

/** A level of a tree of topics or filters. Most have a single child, which needs no map. */
export class LevelNode<T> {
  #parent: LevelNode<T> | null;
  #level: string;
  #tail: string;
  value: T | null = null;
  #only: LevelNode<T> | null = null;
  #several: Map<string, LevelNode<T>> | null = null;

  constructor(parent: LevelNode<T> | null, level: string, tail = "") {
    this.#parent = parent;
    this.#level = level;
    this.#tail = tail;
  }

  get parent(): LevelNode<T> | null {
    return this.#parent;
  }

  get level(): string {
    return this.#level;
  }

  /** Further levels that it stands for, each behind its "/". */
  get tail(): string {
    return this.#tail;
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

  /** The child that is the only one. */
  get single(): LevelNode<T> | undefined {
    if (this.#several?.size === 1) return this.#several.values().next().value;
    return this.#only ?? undefined;
  }

  /** Adds the child, or puts it in the place of the one of its level. */
  put(child: LevelNode<T>): void {
    if (this.#several !== null) {
      this.#several.set(child.level, child);
    } else if (this.#only === null || this.#only.level === child.level) {
      this.#only = child;
    } else {
      this.#several = new Map([[this.#only.level, this.#only], [child.level, child]]);
      this.#only = null;
    }
  }

  /** Becomes the child of another node, as a level of it. */
  move(parent: LevelNode<T>, level: string, tail: string): void {
    this.#parent = parent;
    this.#level = level;
    this.#tail = tail;
    parent.put(this);
  }

  /** Takes `child` out. */
  drop(child: LevelNode<T>): void {
    this.#only = null;
    this.#several?.delete(child.level);
    if (this.#several?.size === 0) this.#several = null;
  }
}

/** A tree of topics, by their levels. */
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
    const child = new LevelNode<T>(node, level);
    node.put(child);
    return child;
  }
}

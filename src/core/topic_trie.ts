import { Route, routeEntry } from "./route.ts";
import type { Session } from "./session.ts";
import { SharedGroup } from "./shared.ts";
import type { ParsedFilter, Subscription } from "./subscription.ts";
import { hasWildcard, type Topic } from "./topic.ts";

/** Routes kept for topics that are published to; beyond it the whole cache is dropped. */
const ROUTES_MAX = 100_000;

/** One level of the trie. Maps are made when they are needed: most nodes are leaves. */
class Node {
  readonly parent: Node | null;
  readonly level: string;
  children: Map<string, Node> | null = null;
  subscriptions: Map<Session, Subscription> | null = null;
  groups: Map<string, SharedGroup> | null = null;

  constructor(parent: Node | null, level: string) {
    this.parent = parent;
    this.level = level;
  }

  get isEmpty(): boolean {
    return this.children === null && this.subscriptions === null && this.groups === null;
  }
}

/** All subscriptions by filter. `match` answers everyone a topic reaches, once each with the highest granted QoS; a shared group
 * is answered as one. Topics starting with `$` do not match a leading wildcard. Answers are kept on the topic until a filter that
 * matches it changes: a filter without wildcard spoils one topic's answer, a filter with one spoils them all. */
export class TopicTrie {
  readonly #root = new Node(null, "");
  readonly #routes = new Map<string, Route>();
  #version = 1;

  /** Adds or replaces the subscription. */
  add(parsed: ParsedFilter, subscription: Subscription): void {
    const node = this.#descend(parsed.filter);
    if (parsed.group === "") {
      (node.subscriptions ??= new Map()).set(subscription.session, subscription);
    } else {
      const groups = node.groups ??= new Map<string, SharedGroup>();
      let group = groups.get(parsed.group);
      if (group === undefined) groups.set(parsed.group, group = new SharedGroup(subscription.options.filter));
      group.set(subscription);
    }
    this.#spoil(parsed.filter);
  }

  /** Takes the subscription of `session` out; nothing happens when there is none. */
  delete(parsed: ParsedFilter, session: Session): void {
    const node = this.#find(parsed.filter);
    if (node === undefined) return;
    if (parsed.group === "") {
      node.subscriptions?.delete(session);
      if (node.subscriptions?.size === 0) node.subscriptions = null;
    } else {
      const group = node.groups?.get(parsed.group);
      group?.delete(session);
      if (group?.size === 0) node.groups!.delete(parsed.group);
      if (node.groups?.size === 0) node.groups = null;
    }
    this.#prune(node);
    this.#spoil(parsed.filter);
  }

  /** The shared group of a filter, for deliveries that a restart brings back. */
  group(parsed: ParsedFilter): SharedGroup | undefined {
    return this.#find(parsed.filter)?.groups?.get(parsed.group);
  }

  /** Everyone that a message on `topic` reaches. */
  match(topic: Topic): Route {
    const known = topic.route;
    if (known !== null && known.version === this.#version) return known;
    let route = this.#routes.get(topic.name);
    if (route === undefined || route.version !== this.#version) {
      route = this.#resolve(topic);
      if (this.#routes.size >= ROUTES_MAX) this.#spoilAll();
      route.version = this.#version;
      this.#routes.set(topic.name, route);
    }
    topic.route = route;
    return route;
  }

  #resolve(topic: Topic): Route {
    const route = new Route(this.#version);
    const bySession = new Map<Session, Subscription[]>();
    for (const node of this.#matching(topic)) {
      if (node.groups !== null) route.groups.push(...node.groups.values());
      if (node.subscriptions === null) continue;
      for (const [session, subscription] of node.subscriptions) {
        const list = bySession.get(session);
        if (list === undefined) bySession.set(session, [subscription]);
        else list.push(subscription);
      }
    }
    for (const [session, subscriptions] of bySession) route.entries.push(routeEntry(session, subscriptions));
    return route;
  }

  /** The nodes whose filter matches, found level by level: no recursion, however deep the topic. */
  #matching(topic: Topic): Node[] {
    const levels = topic.name.split("/");
    const found: Node[] = [];
    let here: Node[] = [this.#root];
    for (let depth = 0; depth < levels.length && here.length > 0; depth++) {
      const wildcardsApply = depth > 0 || !topic.isReserved; // [MQTT-4.7.2-1]
      const next: Node[] = [];
      for (const { children } of here) {
        if (children === null) continue;
        const exact = children.get(levels[depth]);
        if (exact !== undefined) next.push(exact);
        if (!wildcardsApply) continue;
        const plus = children.get("+");
        if (plus !== undefined) next.push(plus);
        const hash = children.get("#");
        if (hash !== undefined) found.push(hash);
      }
      here = next;
    }
    for (const node of here) {
      found.push(node);
      const hash = node.children?.get("#"); // "sport/#" matches "sport" too ([MQTT-4.7.1-2])
      if (hash !== undefined) found.push(hash);
    }
    return found;
  }

  #descend(filter: string): Node {
    let node = this.#root;
    for (const level of filter.split("/")) {
      const children = node.children ??= new Map<string, Node>();
      let child = children.get(level);
      if (child === undefined) children.set(level, child = new Node(node, level));
      node = child;
    }
    return node;
  }

  #find(filter: string): Node | undefined {
    let node: Node | undefined = this.#root;
    for (const level of filter.split("/")) {
      node = node.children?.get(level);
      if (node === undefined) return undefined;
    }
    return node;
  }

  #prune(leaf: Node): void {
    let node = leaf;
    while (node.parent !== null && node.isEmpty) {
      const parent: Node = node.parent;
      parent.children!.delete(node.level);
      if (parent.children!.size === 0) parent.children = null;
      node = parent;
    }
  }

  #spoil(filter: string): void {
    if (hasWildcard(filter)) return this.#spoilAll();
    const route = this.#routes.get(filter);
    if (route === undefined) return;
    route.version = 0;
    this.#routes.delete(filter);
  }

  #spoilAll(): void {
    this.#version++;
    this.#routes.clear();
  }
}

import { FilterTree } from "./filter_tree.ts";
import { isMemorable } from "./memo.ts";
import { RouteCache } from "./route_cache.ts";
import type { Route } from "./route.ts";
import type { Session } from "./session.ts";
import type { SharedGroup } from "./shared.ts";
import { Subscribers } from "./subscribers.ts";
import type { ParsedFilter, Subscription } from "./subscription.ts";
import { hasWildcard, type KnownRoute, type Topic } from "./topic.ts";

/** Topics whose route is known; beyond it all are forgotten. */
const TOPICS_MAX = 100_000;

/** All subscriptions by filter. `match` answers everyone a topic reaches, once each with the highest granted QoS; a shared group
 * is answered as one. Topics starting with `$` do not match a leading wildcard. What a topic matches is remembered until a filter
 * changes: one without wildcard makes one topic be looked up again, one with a wildcard all of them, which is a walk through the trie
 * and not a look at everyone who has subscribed. */
export class TopicTrie {
  readonly #tree = new FilterTree<Subscribers>();
  readonly #known = new Map<string, KnownRoute>();
  readonly #routes = new RouteCache();
  #version = 1;
  /** Counts the changes. */
  #changes = 0;

  /** Adds or replaces the subscription. */
  add(parsed: ParsedFilter, subscription: Subscription): void {
    const subscribers = this.#tree.grow(parsed.filter).value ??= new Subscribers(++this.#changes);
    if (parsed.group === "") subscribers.set(subscription);
    else subscribers.join(parsed.group, subscription);
    this.#note(subscribers, parsed.filter);
  }

  /** Takes the subscription of `session` out; nothing happens when there is none. */
  delete(parsed: ParsedFilter, session: Session): void {
    const node = this.#tree.find(parsed.filter);
    const subscribers = node?.value;
    if (!node || !subscribers) return;
    if (parsed.group === "") subscribers.delete(session);
    else subscribers.leave(parsed.group, session);
    if (subscribers.isEmpty) {
      node.value = null;
      this.#routes.forget(subscribers);
      this.#tree.prune(node);
    }
    this.#note(subscribers, parsed.filter);
  }

  /** The shared group of a filter, for deliveries that a restart brings back. */
  group(parsed: ParsedFilter): SharedGroup | undefined {
    return this.#tree.find(parsed.filter)?.value?.groups?.get(parsed.group);
  }

  /** Everyone that a message on `topic` reaches. */
  match(topic: Topic): Route {
    const known = topic.known;
    return known !== null && known.version === this.#version ? known.route : this.#recall(topic);
  }

  #recall(topic: Topic): Route {
    if (this.#known.size >= TOPICS_MAX || this.#routes.isFull) this.#forget();
    let known = this.#known.get(topic.name);
    if (known === undefined || known.version !== this.#version) {
      const route = this.#routes.of(this.#tree.matching(topic.name, !topic.isReserved), this.#changes);
      if (!isMemorable(topic.name)) return route;
      if (known === undefined) this.#known.set(topic.name, known = { route, version: this.#version });
      known.route = route;
      known.version = this.#version;
    }
    topic.known = known;
    return known.route;
  }

  #note(subscribers: Subscribers, filter: string): void {
    subscribers.changedAt = ++this.#changes;
    if (hasWildcard(filter)) {
      this.#version++;
      return;
    }
    const known = this.#known.get(filter);
    if (known !== undefined) known.version = 0;
  }

  /** Topics and routes anew. */
  #forget(): void {
    this.#version++;
    this.#known.clear();
    this.#routes.clear();
  }
}

import { Route, routeEntry } from "./route.ts";
import type { Session } from "./session.ts";
import type { Subscribers } from "./subscribers.ts";
import type { Subscription } from "./subscription.ts";

/** Entries of all routes together, of 80 bytes each. */
const ENTRIES_MAX = 500_000;

/** Routes by the filters that they are made of: however many topics the same filters match, who is reached is gathered once. A thousand
 * subscribers of `#` and a hundred thousand topics would be a hundred million entries otherwise. */
export class RouteCache {
  readonly #routes = new Map<string, Route>();
  #entries = 0;

  /** Whether it is to be cleared before the next route is asked for. */
  get isFull(): boolean {
    return this.#entries >= ENTRIES_MAX;
  }

  /** Entries in memory, for tests of their bound. */
  get size(): number {
    return this.#entries;
  }

  /** Everyone who has subscribed to one of these filters; `now` is the number of the latest change of any. */
  of(filters: readonly Subscribers[], now: number): Route {
    const key = filters.map(({ id }) => id).join();
    let route = this.#routes.get(key);
    if (route !== undefined && !filters.some(({ changedAt }) => changedAt > route!.madeAt)) return route;
    if (route === undefined) route = this.#add(new Route(key, filters));
    else this.#entries -= route.weight;
    gather(route, filters);
    route.madeAt = now;
    this.#entries += route.weight;
    return route;
  }

  /** Nobody subscribes to this filter any more: no route would be made of it again, and those there are keep sessions that have gone. */
  forget({ routes }: Subscribers): void {
    for (const route of routes ?? []) {
      for (const filter of route.filters) filter.routes?.delete(route);
      this.#routes.delete(route.key);
      this.#entries -= route.weight;
      route.clear();
    }
  }

  /** Empties the routes too: topics that nobody publishes to any more still hold them. */
  clear(): void {
    for (const route of this.#routes.values()) {
      for (const filter of route.filters) filter.routes = null;
      route.clear();
    }
    this.#routes.clear();
    this.#entries = 0;
  }

  #add(route: Route): Route {
    this.#routes.set(route.key, route);
    for (const filter of route.filters) (filter.routes ??= new Set()).add(route);
    return route;
  }
}

function gather(route: Route, filters: readonly Subscribers[]): void {
  route.clear();
  const bySession = new Map<Session, Subscription[]>();
  for (const { groups, subscriptions } of filters) {
    for (const group of groups?.values() ?? []) route.groups.push(group);
    for (const [session, subscription] of subscriptions ?? []) {
      const list = bySession.get(session);
      if (list === undefined) bySession.set(session, [subscription]);
      else list.push(subscription);
    }
  }
  for (const [session, subscriptions] of bySession) route.entries.push(routeEntry(session, subscriptions));
}

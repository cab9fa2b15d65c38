import type { Session } from "./session.ts";
import type { Route } from "./route.ts";
import { SharedGroup } from "./shared.ts";
import type { Subscription } from "./subscription.ts";

/** Everyone who has subscribed to one filter. */
export class Subscribers {
  /** Never used again. */
  readonly id: number;
  /** Grows with every change of it, and of any other. */
  changedAt: number;
  /** Null for none. */
  subscriptions: Map<Session, Subscription> | null = null;
  /** Null for none. */
  groups: Map<string, SharedGroup> | null = null;
  /** Belongs to the cache of routes: those that are made of this filter, null for none. */
  routes: Set<Route> | null = null;

  constructor(id: number) {
    this.id = this.changedAt = id;
  }

  get isEmpty(): boolean {
    return this.subscriptions === null && this.groups === null;
  }

  /** Adds the subscription, or puts it in the place of the same session's former one. */
  set(subscription: Subscription): void {
    (this.subscriptions ??= new Map()).set(subscription.session, subscription);
  }

  delete(session: Session): void {
    this.subscriptions?.delete(session);
    if (this.subscriptions?.size === 0) this.subscriptions = null;
  }

  /** As {@link set}, in a shared group. */
  join(name: string, subscription: Subscription): void {
    const groups = this.groups ??= new Map<string, SharedGroup>();
    let group = groups.get(name);
    if (group === undefined) groups.set(name, group = new SharedGroup(subscription.options.filter));
    group.set(subscription);
  }

  leave(name: string, session: Session): void {
    const group = this.groups?.get(name);
    group?.delete(session);
    if (group?.size === 0) this.groups!.delete(name);
    if (this.groups?.size === 0) this.groups = null;
  }
}

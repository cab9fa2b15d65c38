import type { RouteEntry } from "./route.ts";
import type { Session } from "./session.ts";
import type { Subscription } from "./subscription.ts";

/** The members of one `$share/<group>/<filter>`: each message goes to one of them ([MQTT-4.8.2-3]). Members differ in QoS and options. */
export class SharedGroup {
  /** As subscribed to, with `$share/`. */
  readonly filter: string;
  readonly #members: RouteEntry[] = [];
  readonly #places = new Map<Session, number>();
  #next = 0;

  constructor(filter: string) {
    this.filter = filter;
  }

  get size(): number {
    return this.#members.length;
  }

  /** Adds the member, or puts it in the place of the same session's former subscription. */
  set(subscription: Subscription): void {
    const { session, options, subscriptionIds } = subscription;
    const { qos, retainAsPublished } = options;
    const member = { session, qos, retainAsPublished, subscriptionIds, noLocalAmong: null, group: this };
    const place = this.#places.get(session) ?? this.#members.length;
    this.#members[place] = member;
    this.#places.set(session, place);
  }

  /** The last member takes the place: the turns of a thousand others go on as they were. */
  delete(session: Session): void {
    const place = this.#places.get(session);
    if (place === undefined) return;
    const last = this.#members.pop()!;
    if (last.session !== session) {
      this.#members[place] = last;
      this.#places.set(last.session, place);
    }
    this.#places.delete(session);
    if (this.#next >= this.#members.length) this.#next = 0;
  }

  /** Whose turn it is: round robin over the members that can take a message now, else over those that are connected, else over
   * those whose session outlives the connection. Undefined when the message would reach nobody. */
  choose(except?: Session): RouteEntry | undefined {
    return this.#turn((session) => session.hasRoom, except) ??
      this.#turn((session) => session.peer !== null, except) ??
      this.#turn((session) => session.isDurable, except);
  }

  /** As {@link choose}, over connected members only: for messages that a member leaves behind. */
  chooseConnected(except: Session): RouteEntry | undefined {
    return this.#turn((session) => session.hasRoom, except) ?? this.#turn((session) => session.peer !== null, except);
  }

  /** Whether what it gives a member may have to be stored. */
  get hasStored(): boolean {
    return this.#members.some(({ session }) => session.isStored);
  }

  /** Whether a member other than `except` is connected. */
  hasConnected(except: Session): boolean {
    return this.#members.some((member) => member.session !== except && member.session.peer !== null);
  }

  #turn(isFit: (session: Session) => boolean, except: Session | undefined): RouteEntry | undefined {
    const members = this.#members;
    for (let i = 0; i < members.length; i++) {
      const index = (this.#next + i) % members.length;
      const member = members[index];
      if (member.session === except || !isFit(member.session)) continue;
      this.#next = (index + 1) % members.length;
      return member;
    }
    return undefined;
  }
}

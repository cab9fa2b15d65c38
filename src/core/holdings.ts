import type { Limits } from "./limits.ts";
import type { Session } from "./session.ts";

/** Whose a session is, as far as limits go. */
export interface Owner {
  /** Undefined for nobody. */
  readonly username: string | undefined;
  /** What the address of its client counts as; absent where addresses do not count, or nobody is connected. */
  readonly address?: string;
}

/** What users and addresses have in all their sessions together. Who has nothing is not remembered. */
export class Holdings {
  readonly #sessionsOfUser = new Tally();
  readonly #filtersOfUser = new Tally();
  readonly #filtersOfAddress = new Tally();

  /** How many counts there are. */
  get size(): number {
    return this.#sessionsOfUser.size + this.#filtersOfUser.size + this.#filtersOfAddress.size;
  }

  /** A session is there, or with -1 gone. */
  countSession({ username }: Owner, count: 1 | -1): void {
    this.#sessionsOfUser.add(username, count);
  }

  /** A session has so many filters more. */
  countFilters({ username, address }: Owner, count: number): void {
    this.#filtersOfUser.add(username, count);
    this.#filtersOfAddress.add(address, count);
  }

  /** A session that is counted becomes another one's, or its client comes from elsewhere or goes. */
  move(session: Session, { username, address }: Owner): void {
    const filters = session.filterCount;
    this.countSession(session, -1);
    this.countFilters(session, -filters);
    session.username = username;
    session.address = address;
    this.countSession(session, 1);
    this.countFilters(session, filters);
  }

  /** Whether a user may have a session more. */
  hasRoomForSession(username: string | undefined, { sessionsPerUserMax }: Limits): boolean {
    return this.#sessionsOfUser.hasRoom(username, 1, sessionsPerUserMax);
  }

  /** Whether a session may have one filter more, and its user and address too. */
  hasRoomForFilter(session: Session, limits: Limits): boolean {
    return this.hasRoomFor(session, { before: session, filters: session.filterCount + 1 }, limits);
  }

  /** Whether a session of `owner` may have so many filters, in place of what there was before. */
  hasRoomFor(
    { username, address }: Owner,
    { before, filters }: { before: Session | undefined; filters: number },
    limits: Limits,
  ): boolean {
    const had = before?.filterCount ?? 0;
    const more = filters - (before?.username === username ? had : 0);
    const moreHere = filters - (before?.address === address ? had : 0);
    return filters <= limits.subscriptionsPerSessionMax &&
      this.#filtersOfUser.hasRoom(username, more, limits.subscriptionsPerUserMax) &&
      this.#filtersOfAddress.hasRoom(address, moreHere, limits.subscriptionsPerAddressMax);
  }
}

/** How many each has of something; nobody, undefined, is not counted. */
class Tally {
  readonly #counts = new Map<string, number>();

  get size(): number {
    return this.#counts.size;
  }

  hasRoom(key: string | undefined, count: number, max: number): boolean {
    return key === undefined || (this.#counts.get(key) ?? 0) + count <= max;
  }

  add(key: string | undefined, count: number): void {
    if (key === undefined || count === 0) return;
    const sum = (this.#counts.get(key) ?? 0) + count;
    if (sum === 0) this.#counts.delete(key);
    else this.#counts.set(key, sum);
  }
}

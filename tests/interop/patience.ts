/** Waiting for a condition, never for a time: what should come at once gets a bound that only a failure reaches. */

import type { Happening } from "../../src/core/happening.ts";
import type { WeirBroker } from "../../src/server/weir_broker.ts";

const PATIENCE_MS = 20_000;

/** The value of `promise`, or a failure that names `what` has not come. */
export async function within<T>(promise: Promise<T>, what: string): Promise<T> {
  let patience: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    patience = setTimeout(
      () => reject(new Error(`Cannot wait longer for ${what}: ${PATIENCE_MS} ms went by`)),
      PATIENCE_MS,
    );
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(patience);
  }
}

/** The next happening that `isIt` recognizes; call it before what leads to it. */
export function happening(broker: WeirBroker, isIt: (happening: Happening) => boolean): Promise<Happening> {
  const { promise, resolve } = Promise.withResolvers<Happening>();
  const unwatch = broker.watch((happening) => {
    if (!isIt(happening)) return;
    unwatch();
    resolve(happening);
  });
  return within(promise, "a happening of the broker").finally(unwatch);
}

/** The end of the connection of `clientId`, as the broker tells of it. */
export function departure(broker: WeirBroker, clientId: string): Promise<Happening> {
  return happening(broker, (it) => it.kind === "client-disconnected" && it.clientId === clientId);
}

/** What has arrived and waits for the test to ask for it. */
export class Inbox<T> {
  readonly #name: string;
  readonly #items: T[] = [];
  readonly #waiting: ((item: T) => void)[] = [];

  /** `name` is told when nothing comes. */
  constructor(name: string) {
    this.#name = name;
  }

  get length(): number {
    return this.#items.length;
  }

  push(item: T): void {
    const settle = this.#waiting.shift();
    if (settle === undefined) this.#items.push(item);
    else settle(item);
  }

  /** The next item, now or soon. */
  next(): Promise<T> {
    if (this.#items.length > 0) return Promise.resolve(this.#items.shift() as T);
    const { promise, resolve } = Promise.withResolvers<T>();
    this.#waiting.push(resolve);
    return within(promise, this.#name);
  }

  /** The next `count` items in order. */
  async take(count: number): Promise<T[]> {
    const items: T[] = [];
    while (items.length < count) items.push(await this.next());
    return items;
  }

  /** The first item that `isIt` recognizes; what comes before it is skipped. */
  async until(isIt: (item: T) => boolean): Promise<T> {
    for (;;) {
      const item = await this.next();
      if (isIt(item)) return item;
    }
  }

  /** What comes before the first item that equals `end`. */
  async before(end: T): Promise<T[]> {
    const items: T[] = [];
    for (let item = await this.next(); item !== end; item = await this.next()) items.push(item);
    return items;
  }
}

import { addressKey } from "../address/ip_address.ts";
import type { RefusalCause } from "../core/refusal.ts";
import type { Connection, ConnectionOwner } from "./connection.ts";

/** Spent in one go on what concerns every connection. */
const LOOKING_MS_MAX = 5;

/** The open connections, and how many come from each address. */
export class ConnectionTable implements ConnectionOwner {
  readonly #perAddressMax: number;
  /** With whom to tell of their end. */
  readonly #connections = new Map<Connection, () => void>();
  readonly #perAddress = new Map<string, number>();
  #onEmpty: (() => void)[] = [];

  constructor(perAddressMax: number) {
    this.#perAddressMax = perAddressMax;
  }

  get size(): number {
    return this.#connections.size;
  }

  /** Whether one more may come from this address; of IPv6 the first 64 bits are one. */
  hasRoomFor(address: string): boolean {
    return (this.#perAddress.get(addressKey(address)) ?? 0) < this.#perAddressMax;
  }

  /** Starts the connection and keeps it until it has ended, which is told. */
  track(connection: Connection, onEnded: () => void): void {
    this.#connections.set(connection, onEnded);
    this.#count(connection.remoteAddress);
    connection.start(this);
  }

  /** Counts a connection that others keep; undefined when it is one too many from its address. The answer is to be called at its end. */
  enter(address: string): (() => void) | undefined {
    if (!this.hasRoomFor(address)) return undefined;
    this.#count(address);
    return () => this.#uncount(address);
  }

  onClosed(connection: Connection): void {
    const onEnded = this.#connections.get(connection)!;
    this.#connections.delete(connection);
    this.#uncount(connection.remoteAddress);
    onEnded();
    if (this.#connections.size > 0) return;
    for (const resolve of this.#onEmpty.splice(0)) resolve();
  }

  /** Tells every client why, and resolves when all have gone or were cut after `timeoutMs`. */
  async endAll(cause: RefusalCause, timeoutMs: number): Promise<void> {
    for (const connection of [...this.#connections.keys()]) connection.end(cause);
    const cut = setTimeout(() => this.#abortAll(), timeoutMs);
    await this.#empty();
    clearTimeout(cut);
  }

  /** Ends those that are no longer let in. */
  endRevoked(): void {
    for (const connection of [...this.#connections.keys()]) connection.endIfRevoked();
  }

  /** Ends those that have a subscription that is not allowed any more. Rules are asked about every filter of every client: others get
   * their turn by `pass`. */
  async endForbidden(pass: () => Promise<void>): Promise<void> {
    let startedAt = performance.now();
    for (const connection of [...this.#connections.keys()]) {
      connection.endIfForbidden();
      if (performance.now() - startedAt < LOOKING_MS_MAX) continue;
      await pass();
      startedAt = performance.now();
    }
  }

  /** Rate limits have changed. */
  meterAgain(): void {
    for (const connection of this.#connections.keys()) connection.meterAgain();
  }

  /** Ends every connection without a word, and resolves when all have gone. */
  async cutAll(): Promise<void> {
    this.#abortAll();
    await this.#empty();
  }

  #count(address: string): void {
    const key = addressKey(address);
    this.#perAddress.set(key, (this.#perAddress.get(key) ?? 0) + 1);
  }

  #uncount(address: string): void {
    const key = addressKey(address);
    const left = this.#perAddress.get(key)! - 1;
    if (left === 0) this.#perAddress.delete(key);
    else this.#perAddress.set(key, left);
  }

  #abortAll(): void {
    for (const connection of [...this.#connections.keys()]) connection.abort();
  }

  #empty(): Promise<void> {
    if (this.#connections.size === 0) return Promise.resolve();
    return new Promise((resolve) => this.#onEmpty.push(resolve));
  }
}

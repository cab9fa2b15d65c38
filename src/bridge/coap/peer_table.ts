import { Peer, type PeerAddress } from "./peer.ts";
import { EXCHANGE_LIFETIME_MS } from "./transmission.ts";

/** Peers that are looked at for one to forget, from the one that has been silent longest; those that are busy go behind the others. */
const EVICTION_LOOKS_MAX = 32;

/** The peers that are known, at most so many. One that has been silent for an exchange lifetime and has nothing under way is forgotten;
 * when the table is full, the one that has been silent longest goes first. */
export class PeerTable {
  readonly #peers = new Map<string, Peer>();
  readonly #peersMax: number;
  readonly #random: () => number;
  #sweptAt = -Infinity;

  constructor(peersMax: number, random: () => number) {
    this.#peersMax = peersMax;
    this.#random = random;
  }

  get size(): number {
    return this.#peers.size;
  }

  [Symbol.iterator](): Iterator<Peer> {
    return this.#peers.values();
  }

  /** The peer at `address`, new or known; undefined when the table is full of busy ones. */
  of(address: PeerAddress, now: number): Peer | undefined {
    const key = `${address.hostname} ${address.port}`;
    let peer = this.#peers.get(key);
    if (peer !== undefined) this.#peers.delete(key); // and to the end: the first is the one that was silent longest
    else {
      this.#sweep(now);
      if (this.#peers.size >= this.#peersMax && !this.#evict()) return undefined;
      peer = new Peer(key, address, Math.floor(this.#random() * 0x10000));
    }
    this.#peers.set(key, peer);
    return peer;
  }

  #sweep(now: number): void {
    if (now - this.#sweptAt < EXCHANGE_LIFETIME_MS / 16) return;
    this.#sweptAt = now;
    for (const [key, peer] of this.#peers) {
      if (now - peer.lastSeenAt < EXCHANGE_LIFETIME_MS) break; // so are those behind it
      if (!peer.isBusy) this.#peers.delete(key);
    }
  }

  #evict(): boolean {
    for (let looks = 0; looks < EVICTION_LOOKS_MAX; looks++) {
      const [key, peer] = this.#peers.entries().next().value!;
      this.#peers.delete(key);
      if (!peer.isBusy) return true;
      this.#peers.set(key, peer); // the next look is at others
    }
    return false;
  }
}

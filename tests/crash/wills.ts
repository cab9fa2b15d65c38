import { Buffer } from "node:buffer";
import type { Ledger } from "./ledger.ts";

/** What is known of the will of one connection. */
type Fate =
  /** CONNECT was sent, CONNACK has not come: it may have been stored, or not. */
  | "unknown"
  /** The connection stands. */
  | "kept"
  /** DISCONNECT was sent: it may have been written down, or not. */
  | "renounced"
  /** It must be published. */
  | "due"
  /** It must not be published. */
  | "void";

interface ClientWills {
  readonly fates: Map<number, Fate>;
  /** In the order of their first arrival. */
  readonly seen: number[];
}

/** Who is told to have died, and who must be. A will carries the number of its connection. */
export class Wills {
  readonly #ledger: Ledger;
  readonly #clients = new Map<string, ClientWills>();
  /** Clients whose will is delayed for longer than they are ever away. */
  readonly #delayed: ReadonlySet<string>;
  /** How often the broker was killed: what it was told just before may be lost. */
  kills = 0;
  readonly #killsAtGoodbye = new Map<string, number>();

  constructor(ledger: Ledger, delayed: ReadonlySet<string>) {
    this.#ledger = ledger;
    this.#delayed = delayed;
  }

  willOf(clientId: string, number: number): { topic: string; payload: Buffer; qos: 1 | 2; retain: boolean } {
    this.#of(clientId).fates.set(number, "unknown");
    return { topic: `w/${clientId}`, payload: Buffer.from(`${number}`), qos: qosOf(number), retain: false };
  }

  /** CONNACK came: the will is stored, and what became of the one before is settled. */
  accepted(clientId: string, number: number): void {
    const { fates } = this.#of(clientId);
    fates.set(number, "kept");
    if (fates.get(number - 1) === "renounced" && this.#killsAtGoodbye.get(clientId) === this.kills) {
      fates.set(number - 1, "void");
    }
  }

  /** DISCONNECT is being said. */
  renounced(clientId: string, number: number): void {
    this.#of(clientId).fates.set(number, "renounced");
    this.#killsAtGoodbye.set(clientId, this.kills);
  }

  /** The connection has ended, however. */
  lost(clientId: string, number: number): void {
    const { fates } = this.#of(clientId);
    if (fates.get(number) === "kept") fates.set(number, this.#delayed.has(clientId) ? "void" : "due");
  }

  arrived(clientId: string, number: number): void {
    const { fates, seen } = this.#of(clientId);
    const fate = fates.get(number);
    const what = `the will of ${clientId}'s connection ${number}`;
    if (fate === undefined || fate === "void" || this.#delayed.has(clientId)) {
      this.#ledger.accuse(`${what} was published, which must not be`);
    }
    if (seen.includes(number)) {
      if (qosOf(number) === 2) this.#ledger.accuse(`${what} came twice with QoS 2`);
      return;
    }
    if (number < (seen.at(-1) ?? 0)) this.#ledger.accuse(`${what} was published after that of ${seen.at(-1)}`);
    seen.push(number);
  }

  /** How many are due and have not been published. */
  get missing(): number {
    return this.#overdue().length;
  }

  check(): void {
    for (const what of this.#overdue()) this.#ledger.accuse(`the will of connection ${what} was not published`);
  }

  get count(): number {
    return [...this.#clients.values()].reduce((sum, { seen }) => sum + seen.length, 0);
  }

  #overdue(): string[] {
    const overdue: string[] = [];
    for (const [clientId, { fates, seen }] of this.#clients) {
      const known = new Set(seen);
      for (const [number, fate] of fates) {
        if (fate === "due" && !known.has(number)) overdue.push(`${clientId} ${number}`);
      }
    }
    return overdue;
  }

  #of(clientId: string): ClientWills {
    const found = this.#clients.get(clientId) ?? { fates: new Map(), seen: [] };
    this.#clients.set(clientId, found);
    return found;
  }
}

function qosOf(number: number): 1 | 2 {
  return number % 2 === 0 ? 1 : 2;
}

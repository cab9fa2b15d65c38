import type { GuestSubscription } from "../gateway.ts";
import type { Block } from "./block.ts";
import type { CoapOption } from "./message.ts";
import type { Peer } from "./peer.ts";
import type { Representation } from "./representation.ts";
import type { Transmission } from "./transmission.ts";

/** What a client asks for with Observe. */
export interface Registration {
  readonly peer: Peer;
  /** Comes back in each notification. */
  readonly token: Uint8Array;
  /** Path and query: what the later blocks of a notification are asked for by. */
  readonly target: string;
  readonly accept: number | undefined;
  /** How large its blocks are to be. */
  readonly block2: Block | undefined;
  /** Options that tell the topic, where the target has wildcards; undefined when they cannot. */
  readonly nameOf: (topic: string) => readonly CoapOption[] | undefined;
  readonly subscription: GuestSubscription;
}

/** A registration in place. */
export class Observation {
  readonly registration: Registration;
  /** What is told now: it may wait for others to the same peer. */
  transmission: Transmission | undefined;
  /** What the client is to fetch the rest of. */
  body: Representation | undefined;
  /** Called when it has. */
  onFetched: (() => void) | undefined;
  fetchedAt = 0;
  isOver = false;

  constructor(registration: Registration) {
    this.registration = registration;
  }

  get key(): string {
    return this.registration.token.toHex();
  }
}

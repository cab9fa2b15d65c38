import type { Topic } from "./topic.ts";
import type { Mutation, StoredState } from "./mutation.ts";

/** A live connection as the core sees it. The shell owns it; the core names it in its sends and asks nothing but this. */
export interface Peer {
  /** True while more bytes wait for the client than its outbox may hold; QoS 0 is then dropped. */
  readonly congested: boolean;
}

/** Who a client is, as authentication found out. */
export interface Identity {
  readonly clientId: string;
  /** Undefined for an anonymous client. */
  readonly username: string | undefined;
}

/** Says yes or no at once; what has to wait belongs into authentication. */
export interface Policy {
  mayPublish(identity: Identity, topic: Topic): boolean;
  /** `filter` is without `$share/<group>/`. */
  maySubscribe(identity: Identity, filter: string): boolean;
}

/** What survives the process. Implementations pass the suite in tests/contract. */
export interface Store {
  /** Everything that a start needs. Called once, before the first commit. */
  load(): Promise<StoredState>;
  /** All or nothing, in order. A rejected commit ends the node: memory is ahead of the disk then. */
  commit(mutations: readonly Mutation[]): void | Promise<void>;
  close(): Promise<void>;
}


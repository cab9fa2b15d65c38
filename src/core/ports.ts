import type { QoS } from "./message.ts";
import type { QueueStore } from "./queue/ports.ts";
import type { Mutation, StoredPage, StoredState, WillAuthor } from "./mutation.ts";

/** A live connection as the core sees it. The shell owns it; the core names it in its sends and asks nothing but this. */
export interface Peer {
  /** True while more bytes wait for the client than its outbox may hold; QoS 0 is then dropped. */
  readonly congested: boolean;
  /** What the client may do; anything when absent. */
  readonly policy?: Policy | null;
}

/** Who a client is, as authentication found out. */
export interface Identity {
  /** Identifies the session. */
  readonly clientId: string;
  /** Undefined for an anonymous client. */
  readonly username: string | undefined;
}

/** By which way a client came: told in happenings, and to whoever decides what it may do. */
export interface Origin {
  /** The IP address of the peer; empty for a connection that has none. */
  readonly remoteAddress: string;
  /** The name of the listener; empty for a connection that came by none. */
  readonly listener: string;
  /** 3 is MQTT 3.1, 4 is 3.1.1, 5 is 5.0; 0 is a door that does not speak MQTT. */
  readonly protocolVersion: number;
}

/** How a message is published, for a policy to which that makes a difference. */
export interface PublishFacts {
  /** As published. */
  readonly qos: QoS;
  /** Whether it is to be retained. */
  readonly retain: boolean;
}

/** Says yes or no at once; what has to wait belongs into authentication. */
export interface Policy {
  /** Also asked for the topic of a will. */
  mayPublish(identity: Identity, topic: string, facts: PublishFacts): boolean;
  /** `filter` may hold wildcards, and is without `$share/<group>/`. `qos` is what is asked for. */
  maySubscribe(identity: Identity, filter: string, qos: QoS): boolean;
  /** Asked for a message that has waited for the client, perhaps while its rights changed. It may when absent. */
  mayReceive?(identity: Identity, topic: string): boolean;
  /** What has to be known to ask about a will after a restart (`BrokerOptions.mayPublishStored`); kept with it. Nothing when absent. */
  readonly author?: WillAuthor;
}

/** Where in a session's deliveries a page begins and how long it is at most. */
export interface PageRequest {
  /** Whose deliveries. */
  readonly clientId: string;
  /** Only those with a higher sequence. */
  readonly after: number;
  /** How many at most. */
  readonly limit: number;
  /** Bytes of their topics, properties and payloads at most; the first one comes however large it is. */
  readonly bytesMax: number;
  /** Only those that a shared group gave to the session. */
  readonly sharedOnly?: boolean;
}

/** What survives the process. Implementations pass the suite in tests/contract. */
export interface Store {
  /** Everything that a start needs. Called once, before the first commit. */
  load(): Promise<StoredState>;
  /** All or nothing, in order. A rejected commit ends the node: memory is ahead of the disk then. */
  commit(mutations: readonly Mutation[]): void | Promise<void>;
  /** The next committed deliveries of a session that wait, oldest first; fewer than asked for says nothing, none that there are no
   * more. */
  page(request: PageRequest): StoredPage | Promise<StoredPage>;
  /** Whether there is no room left for new messages; what ends or shrinks can still be committed. Absent is never. */
  readonly isFull?: boolean;
  /** Whether a store that is full still has room for what is under way, and for what takes the place of something else. Absent is never. */
  readonly hasReserve?: boolean;
  /** What it keeps, in bytes, for people to see. Absent where it does not know. */
  readonly bytes?: number;
  /** Does some housekeeping, a bounded piece of it; true when more waits. Called every second or so, never during a commit. */
  maintain?(): boolean | Promise<boolean>;
  /** What keeps durable queues. Without it the broker has none, and `$queue/...` is refused. */
  readonly queues?: QueueStore;
  /** Gives everything back to the system; nothing is committed after it. */
  close(): Promise<void>;
}

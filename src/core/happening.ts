import type { QoS } from "./message.ts";
import type { Origin } from "./ports.ts";
import type { DeadLetterCause } from "./queue/record.ts";
import type { RefusalCause } from "./refusal.ts";

/** Why a message did not reach a session, or was not taken from its publisher ("not-authorized", "refused"). */
export type DropCause =
  | "queue-full"
  | "expired"
  | "client-congested"
  | "packet-too-large"
  | "retained-limit"
  | "session-ended"
  | "not-authorized"
  | "refused"
  | "rate-exceeded";

/** Why a queue's group did not get a message, or a queue did not take the copy of one ("queue-full"). */
export type QueueDropCause = "expired" | "rejected" | "delivery-limit" | "queue-full";

/** How a connection ended: by DISCONNECT, by the client without one, because it took nothing, or by the broker for a cause. */
export type DisconnectCause = "normal" | "with-will" | "connection-lost" | "write-timeout" | RefusalCause;

/** A message as a happening tells of it: the values of a message that do not change. */
export interface MessageFacts {
  /** What it was published to. */
  readonly topic: { readonly name: string };
  /** As published. */
  readonly qos: QoS;
  /** As published. */
  readonly retain: boolean;
  /** A view; not to be changed. */
  readonly payload: Uint8Array;
  /** Milliseconds; Infinity when it does not expire. */
  readonly expiresAt: number;
}

/** What came to pass, for metrics, logs, webhooks and `$SYS`. A union: a reader that switches over `kind` is told by the compiler
 * when one is added. Those marked (message) are only made when somebody asked for them. */
export type Happening =
  | ({
    readonly kind: "client-connected";
    readonly clientId: string;
    readonly username: string | undefined;
    readonly sessionPresent: boolean;
  } & Origin)
  | { readonly kind: "client-disconnected"; readonly clientId: string; readonly cause: DisconnectCause }
  /** Told by the shell: CONNECT or the connection itself was refused, or ended by the broker for what the client did. */
  | {
    readonly kind: "connection-refused";
    readonly remoteAddress: string;
    /** The name of the listener; empty when the connection came by none. */
    readonly listener: string;
    /** Empty when nobody has said. */
    readonly clientId: string;
    readonly cause: RefusalCause;
    readonly reason: string;
  }
  /** Told by the shell: so many logins from the address have failed that it is not listened to for a time. */
  | {
    readonly kind: "address-banned";
    readonly remoteAddress: string;
    readonly failures: number;
    readonly seconds: number;
  }
  | { readonly kind: "session-taken-over"; readonly clientId: string }
  | { readonly kind: "session-created"; readonly clientId: string }
  | {
    readonly kind: "session-ended";
    readonly clientId: string;
    readonly cause: "clean-start" | "disconnected" | "expired";
  }
  | { readonly kind: "subscribed"; readonly clientId: string; readonly filter: string; readonly qos: QoS }
  /** A client was told in SUBACK that it does not have what it asked for. */
  | {
    readonly kind: "subscription-refused";
    readonly clientId: string;
    readonly filter: string;
    readonly cause: RefusalCause;
  }
  | { readonly kind: "unsubscribed"; readonly clientId: string; readonly filter: string }
  | { readonly kind: "message-retained"; readonly message: MessageFacts }
  | { readonly kind: "retained-cleared"; readonly topic: string }
  | { readonly kind: "will-published"; readonly clientId: string; readonly message: MessageFacts }
  /** Told by the shell: no more is kept until there is room again. */
  | { readonly kind: "store-full" | "store-has-room" }
  | { readonly kind: "message-dropped"; readonly clientId: string; readonly topic: string; readonly cause: DropCause }
  | { readonly kind: "queue-created" | "queue-changed" | "queue-deleted"; readonly queue: string }
  | { readonly kind: "queue-purged"; readonly queue: string; readonly count: number }
  | { readonly kind: "queue-group-created" | "queue-group-deleted"; readonly queue: string; readonly group: string }
  /** `group` is empty, and `messageId` the topic, for a message that was to be copied into the queue and was not. */
  | {
    readonly kind: "queue-message-dropped";
    readonly queue: string;
    readonly group: string;
    readonly messageId: string;
    readonly cause: QueueDropCause;
  }
  | {
    readonly kind: "message-dead-lettered";
    readonly queue: string;
    readonly group: string;
    readonly messageId: string;
    readonly cause: DeadLetterCause;
    readonly deliveryCount: number;
  }
  /** A dead letter found no room: the message stays where it is and is delivered again later. */
  | {
    readonly kind: "dead-letters-full";
    readonly queue: string;
    readonly group: string;
    readonly messageId: string;
    readonly cause: DeadLetterCause;
  }
  /** (message) */
  | { readonly kind: "message-published"; readonly clientId: string | undefined; readonly message: MessageFacts }
  /** (message) */
  | {
    readonly kind: "message-delivered";
    readonly clientId: string;
    readonly message: MessageFacts;
    readonly qos: QoS;
  };

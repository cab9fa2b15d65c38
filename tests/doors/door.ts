import type { WeirBroker } from "../../mod.ts";

/** Quality of service. */
export type QoS = 0 | 1 | 2;

/** What a message of the matrix holds, beside its topic and payload. */
export interface Facts {
  readonly qos?: QoS;
  readonly retain?: boolean;
  readonly contentType?: string;
  readonly responseTopic?: string;
  readonly correlationData?: readonly number[];
  readonly userProperties?: readonly (readonly [string, string])[];
}

/** A message as one door sends or shows it; what the door cannot say is undefined. */
export interface Shown extends Facts {
  readonly topic: string;
  readonly payload: string;
}

/** What a door can say of a message. */
export type Fact = keyof Facts;

/** Everything there is to say. */
export const ALL_FACTS: ReadonlySet<Fact> = new Set<Fact>([
  ...["qos", "retain", "contentType", "responseTopic", "correlationData", "userProperties"] as const,
]);

/** One row and one column of the matrix. A new door is one more entry in `doors.ts`. */
export interface Door {
  readonly name: string;
  /** What a publisher behind it can say, and what a subscriber behind it is shown. */
  readonly sends: ReadonlySet<Fact>;
  readonly shows: ReadonlySet<Fact>;
  /** A program of the machine, without which it cannot be opened. */
  readonly needs?: string;
  /** Opens the door and comes in by it. */
  open(broker: WeirBroker): Promise<OpenDoor>;
}

/** Somebody who has come in. */
export interface OpenDoor extends AsyncDisposable {
  /** Resolves when the broker has taken the message. */
  publish(message: Shown): Promise<void>;
  /** Resolves when the subscription is in place. */
  subscribe(topic: string): Promise<() => Promise<Shown>>;
}

/** How a client goes without a word and comes back, for tests of what the broker keeps meanwhile. */

import type { Happening } from "../../src/core/happening.ts";
import type { TestBroker } from "./broker.ts";
import type { ConnectOptions, TestClient } from "./client.ts";

/** How long a test waits for what should come to pass; longer than any timer that a test sets. */
const PATIENCE_MS = 8_000;

/** Properties of a CONNECT whose session outlives the connection. */
export const DURABLE = { sessionExpiryInterval: 300 } as const;

/** A CONNECT for a session that was there before, or may be later. */
export function durable(clientId: string, options: ConnectOptions = {}): ConnectOptions {
  return { clientId, clean: false, ...options, properties: { ...DURABLE, ...options.properties } };
}

/** Resolves when the broker tells of something that `isWanted`; `act` is done once the watch stands. */
export function happened(
  broker: TestBroker,
  isWanted: (happening: Happening) => boolean,
  act = () => {},
): Promise<void> {
  return new Promise((resolve, reject) => {
    const patience = setTimeout(
      () => end(() => reject(new Error("What was waited for did not come to pass"))),
      PATIENCE_MS,
    );
    const unwatch = broker.broker.watch((happening) => {
      if (isWanted(happening)) end(resolve);
    });
    function end(settle: () => void): void {
      clearTimeout(patience);
      unwatch();
      settle();
    }
    act();
  });
}

/** Drops the connection without DISCONNECT and waits until the broker has noticed. */
export function drop(broker: TestBroker, client: TestClient): Promise<void> {
  const { clientId } = client;
  const isGone = (happening: Happening) => happening.kind === "client-disconnected" && happening.clientId === clientId;
  return happened(broker, isGone, () => client.close());
}

/** Resolves when the session of this client has ended. */
export function sessionEnded(broker: TestBroker, clientId: string): Promise<void> {
  return happened(broker, (happening) => happening.kind === "session-ended" && happening.clientId === clientId);
}

/** Resolves when whatever is due in `seconds` by the broker's own clock has come to pass: a message that was retained for as long is
 * gone, which is looked at after wills and sessions. */
export function secondsPassed(broker: TestBroker, seconds = 1): Promise<void> {
  const topic = `$clock/${crypto.randomUUID()}`; // no wildcard finds it
  const isGone = (happening: Happening) => happening.kind === "retained-cleared" && happening.topic === topic;
  const message = { topic, payload: "x", retain: true, expirySeconds: seconds };
  return happened(broker, isGone, () => void broker.broker.publish(message));
}

/** The time that a test gives to something that must not happen. */
export function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

import type { Owner } from "./holdings.ts";
import type { QoS } from "./message.ts";
import type { Identity, Origin, Peer } from "./ports.ts";
import { Refusal } from "./refusal.ts";
import type { Session } from "./session.ts";
import { quoted } from "./text.ts";
import type { Turn } from "./turn.ts";
import { type Will, willBytes } from "./will.ts";

/** What a CONNECT asks for, once it is authenticated. */
export interface AttachRequest extends Identity, Owner {
  readonly peer: Peer;
  readonly origin: Origin;
  /** Clean start: an existing session ends first ([MQTT-3.1.2-4]). */
  readonly clean: boolean;
  /** Already cut to what the limits allow. */
  readonly expirySeconds: number;
  readonly receiveMaximum: number;
  readonly will: Will | undefined;
  /** Whether a subscription that the session has from before may stay; `filter` as it was subscribed to. All may when absent. */
  mayKeep?(filter: string, qos: QoS): boolean;
}

/** Topic, properties and payload of a will that is taken although the store is full: no more than the connection itself takes, so that
 * who comes for what waits is let in. */
const SMALL_WILL_BYTES = 4096;

/** Refuses a client that may not have the session that there is, `before`, or a new one.
 * @throws {Refusal} client-identifier-not-valid when the session is another user's, quota-exceeded when a new one is one too many */
export function assertMayAttach(
  { clientId, username, expirySeconds, will }: AttachRequest,
  { before, sessions }: { before: Session | undefined; sessions: number },
  turn: Turn,
): void {
  const { limits, holdings } = turn;
  if (before !== undefined) assertOwn(before, username, turn);
  const isMore = before?.username !== username || before === undefined;
  if (isMore && !holdings.hasRoomForSession(username, limits)) {
    throw new Refusal(
      "quota-exceeded",
      `Cannot open a session for ${quoted(clientId)}: its user has ${limits.sessionsPerUserMax}`,
    );
  }
  if (turn.isStoreFull && expirySeconds > 0 && before?.isStored !== true) {
    throw new Refusal("quota-exceeded", `Cannot open a session for ${quoted(clientId)}: the storage is full`);
  }
  if (turn.isStoreFull && will !== undefined && willBytes(will) > SMALL_WILL_BYTES) {
    throw new Refusal("quota-exceeded", `Cannot keep the will of ${quoted(clientId)}: the storage is full`);
  }
  if (before === undefined && sessions >= limits.sessionsMax) {
    throw new Refusal("quota-exceeded", `Cannot open a session for ${quoted(clientId)}: ${limits.sessionsMax} exist`);
  }
}

/** A session without a user is anybody's: nobody has proven to be the one that it belongs to. */
function assertOwn({ clientId, username: owner }: Session, username: string | undefined, { limits }: Turn): void {
  if (owner === undefined || owner === username || limits.takeover === "anyone") return;
  throw new Refusal("client-identifier-not-valid", `Cannot use ${quoted(clientId)}: it is another user's`);
}

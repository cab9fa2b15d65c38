import type { RefusalCause } from "../core/refusal.ts";
import { Backlog } from "./backlog.ts";

/** What went over the wire since the start. */
export class Traffic {
  bytesReceived = 0;
  bytesSent = 0;
  packetsReceived = 0;
  /** What is still to go. */
  readonly backlog: Backlog = new Backlog();
  connectionsAccepted = 0;
  /** Closed at once because too many were open. */
  connectionsRejected = 0;
  /** Connections that the broker ended, by cause. */
  readonly refusals = new Map<RefusalCause, number>();

  countRefusal(cause: RefusalCause): void {
    this.refusals.set(cause, (this.refusals.get(cause) ?? 0) + 1);
  }
}

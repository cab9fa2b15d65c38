import type { RefusalCause } from "../core/refusal.ts";

/** What went over the wire since the start. */
export class Traffic {
  bytesReceived = 0;
  bytesSent = 0;
  packetsReceived = 0;
  connectionsAccepted = 0;
  /** Closed at once because too many were open. */
  connectionsRejected = 0;
  /** Connections that the broker ended, by cause. */
  readonly refusals = new Map<RefusalCause, number>();

  countRefusal(cause: RefusalCause): void {
    this.refusals.set(cause, (this.refusals.get(cause) ?? 0) + 1);
  }
}

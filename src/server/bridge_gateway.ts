import { createHmac, randomBytes } from "node:crypto";
import type { Admission, Authenticator, Credentials } from "../auth/authenticator.ts";
import type { Gateway, Guest, GuestCredentials } from "../bridge/gateway.ts";
import type { Broker } from "../core/broker.ts";
import type { Happening } from "../core/happening.ts";
import { Refusal } from "../core/refusal.ts";
import type { Turn } from "../core/turn.ts";
import type { TopicTable } from "../protocol/topic_table.ts";
import type { ReadRounds } from "../transport/read_rounds.ts";
import { encodeUtf8 } from "../wire/utf8.ts";
import type { Clock } from "./clock.ts";
import type { CommitLoop } from "./commit_loop.ts";
import { BridgeGuest } from "./bridge_guest.ts";
import { GuestMessages } from "./guest_message.ts";
import type { GuestStream } from "./guest_stream.ts";
import type { LocalQueues } from "./local_queues.ts";
import type { Metering } from "./metering.ts";
import type { ProtocolOptions } from "./options.ts";
import { PullConsumers } from "./pull_consumers.ts";
import type { Traffic } from "./traffic.ts";

/** What the doors that are not MQTT share. */
export interface GatewayParts {
  readonly broker: Broker;
  readonly turn: Turn;
  readonly loop: CommitLoop;
  readonly clock: Clock;
  readonly topics: TopicTable;
  readonly traffic: Traffic;
  readonly authenticator: Authenticator;
  readonly metering: Metering;
  readonly protocol: Required<ProtocolOptions>;
  /** Undefined where the store keeps none. */
  readonly queues: LocalQueues | undefined;
  /** Lets others have their turn. */
  readonly rounds: ReadRounds;
  /** Lets the core decide, then persists and speaks. */
  readonly decide: <T>(decide: (turn: Turn) => T) => T;
  readonly onError: (error: unknown, context: string) => void;
  readonly onRefusal: (refusal: Extract<Happening, { kind: "connection-refused" }>) => void;
}

/** The broker as the bridges see it. */
export class BridgeGateway implements Gateway {
  readonly #parts: GatewayParts;
  readonly #streams = new Set<GuestStream>();
  readonly #messages = new GuestMessages();
  readonly #pulls: PullConsumers | undefined;
  readonly #key = randomBytes(32);
  #isDraining = false;

  constructor(parts: GatewayParts) {
    this.#parts = parts;
    const { queues, clock, loop, decide } = parts;
    if (queues === undefined) return;
    const settled = () => loop.settled();
    this.#pulls = new PullConsumers({
      queues: queues.sessions.queues,
      clock,
      settled,
      decide,
    });
  }

  get isDraining(): boolean {
    return this.#isDraining;
  }

  get packetBytesMax(): number {
    return this.#parts.protocol.packetBytesMax;
  }

  async admit(brought: GuestCredentials): Promise<Guest> {
    const { remoteAddress, listener, clientId = "" } = brought;
    try {
      this.#assertAdmitting();
      assertClientId(clientId);
      const { username, password, certificate, isUnproven } = brought;
      const credentials: Credentials = {
        clientId: clientId === "" ? this.#nameOf(brought) : clientId,
        username,
        password,
        certificate,
        remoteAddress,
        listener,
        protocolVersion: 0,
        ...isUnproven === true && { isUnproven },
      };
      const admission = await this.#authenticate(credentials);
      this.#assertAdmitting(); // it may have waited
      const parts = {
        ...this.#parts,
        streams: this.#streams,
        messages: this.#messages,
        pulls: this.#pulls,
        isDraining: () => this.#isDraining,
      };
      return new BridgeGuest(parts, credentials, admission);
    } catch (error) {
      if (error instanceof Refusal) this.#tell(error, brought);
      throw error;
    }
  }

  assertMayVisit(remoteAddress: string): void {
    this.#parts.metering.assertMayVisit(remoteAddress);
  }

  /** Nobody is admitted from now on, and the subscriptions end. */
  drain(): void {
    this.#isDraining = true;
    for (const stream of [...this.#streams]) stream.close("server-shutting-down");
    this.#pulls?.close();
  }

  /** Whether what they were let in by still is as it was is asked of all guests; the subscriptions of the others end. */
  endRevoked(): void {
    for (const stream of [...this.#streams]) if (!stream.holds) stream.close("not-authorized");
    this.#pulls?.prune(({ holds }) => holds());
  }

  /** The client id of who brings none: another one for everybody, and the same when the same comes again, so that what authentication
   * remembers of a client serves the next request, too. */
  #nameOf({ username, password, certificate, remoteAddress, listener }: GuestCredentials): string {
    const parts = [username, password?.toBase64(), certificate?.fingerprint, remoteAddress, listener];
    const code = createHmac("sha256", this.#key).update(JSON.stringify(parts.map((part) => part ?? null))).digest();
    return `weir-${code.subarray(0, 16).toString("hex")}`;
  }

  /** Ends the subscriptions that are not allowed any more. */
  endForbidden(): void {
    for (const stream of [...this.#streams]) stream.endIfForbidden();
    this.#pulls?.prune(({ may }) => may());
  }

  async #authenticate(credentials: Credentials): Promise<Admission> {
    const { authenticator, onError } = this.#parts;
    let verdict;
    try {
      verdict = await authenticator.authenticate(credentials);
    } catch (error) {
      onError(error, `guest "${credentials.clientId}" from ${credentials.remoteAddress}`);
      throw new Refusal("unspecified-error", "Cannot tell who you are: authentication failed", { cause: error });
    }
    if ("refusal" in verdict) throw new Refusal(verdict.refusal, verdict.reason);
    return verdict;
  }

  #assertAdmitting(): void {
    if (this.#isDraining) throw new Refusal("server-shutting-down", "Cannot serve anybody: the broker is stopping");
  }

  #tell({ refusal: cause, message: reason }: Refusal, from: GuestCredentials): void {
    const { remoteAddress, listener, clientId = "" } = from;
    this.#parts.traffic.countRefusal(cause);
    this.#parts.onRefusal({ kind: "connection-refused", remoteAddress, listener, clientId, cause, reason });
  }
}

/** A client id is what CONNECT could carry ([MQTT-3.1.3-4]). */
function assertClientId(clientId: string): void {
  const fault = !clientId.isWellFormed()
    ? "it holds half of a surrogate pair"
    : clientId.includes("\0")
    ? "it cannot contain U+0000"
    : encodeUtf8(clientId).length > 0xffff
    ? "the maximum is 65535 bytes"
    : undefined;
  if (fault !== undefined) throw new Refusal("client-identifier-not-valid", `Cannot take the client id: ${fault}`);
}

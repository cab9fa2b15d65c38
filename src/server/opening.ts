import type { Admission, Credentials, ExchangeStep, PeerCertificate } from "../auth/authenticator.ts";
import { Refusal } from "../core/refusal.ts";
import type { Arrival } from "../protocol/connect_handler.ts";
import type { Endpoint } from "../protocol/endpoint.ts";
import { readConnect } from "../wire/connect.ts";
import type { FrameReader } from "../wire/frame_reader.ts";
import { Authentication } from "./authentication.ts";
import type { ConnectionParts } from "./connection_parts.ts";

/** The step that ends an exchange well. */
type Success = Extract<ExchangeStep, { readonly kind: "success" }>;

/** The connection that is opened, as its opening sees it. */
export interface OpeningConnection extends Arrival {
  readonly endpoint: Endpoint;
  /** What the listener has verified of the client, if it asks for that. */
  readonly certificate: PeerCertificate | undefined;
  transmit(): void;
  /** The client is attached to its session, or has shown anew who it is. */
  onAdmitted(admission: Admission): void;
  /** The client may do less than before: ends the connection when a subscription is lost by that. */
  endIfForbidden(): void;
}

/** How a connection comes to its session: CONNECT, the AUTH packets that may follow, and AUTH of a client that is connected. */
export class Opening {
  readonly #parts: ConnectionParts;
  readonly #connection: OpeningConnection;
  readonly #authentication: Authentication;
  #hasConnect = false;
  #clientId = "";

  constructor(parts: ConnectionParts, connection: OpeningConnection) {
    this.#parts = parts;
    this.#connection = connection;
    this.#authentication = new Authentication(parts.authenticator, parts.methods);
  }

  /** Whether CONNECT has come and could be read. */
  get hasConnect(): boolean {
    return this.#hasConnect;
  }

  /** As CONNECT has said or the broker has given; empty before. */
  get clientId(): string {
    return this.#clientId;
  }

  /** Whether an AUTH packet may come. */
  get isAuthExpected(): boolean {
    return this.#authentication.isExpected;
  }

  /** Takes CONNECT. Answers a promise when authentication has to wait; the frame is read by then.
   * @throws {Refusal} why the client is not let in */
  onConnect(frames: FrameReader): Promise<void> | undefined {
    const { endpoint, remoteAddress, certificate } = this.#connection;
    const connect = readConnect(frames);
    this.#hasConnect = true;
    endpoint.version = connect.version;
    this.#parts.metering.assertMayConnect(remoteAddress);
    frames.packetBytesMax = endpoint.settings.packetBytesMax;
    const applicant = this.#parts.connects.admit(endpoint, connect, this.#connection);
    const { clientId, origin } = applicant;
    this.#clientId = clientId;
    const { username, password } = connect;
    const credentials: Credentials = { clientId, username, password, certificate, ...origin };
    const step = this.#authentication.begin(applicant, credentials);
    if (step instanceof Promise) return step.then((step) => this.#onStep(step));
    this.#onStep(step);
    return undefined;
  }

  /** Takes AUTH. Rejects as {@link onConnect} throws.
   * @throws {Refusal} protocol-error when it is out of order, connection-rate-exceeded when it comes too often */
  onAuth(frames: FrameReader): Promise<void> {
    const { endpoint, remoteAddress } = this.#connection;
    if (endpoint.isOpen && this.#authentication.isIdle) this.#parts.metering.assertMayConnect(remoteAddress); // it costs as much
    return this.#authentication.onAuth(frames).then((step) => this.#onStep(step));
  }

  #onStep(step: ExchangeStep): void {
    const { endpoint } = this.#connection;
    if (endpoint.isClosing) return;
    if (step.kind === "refused") throw new Refusal(step.refusal, step.reason);
    if (step.kind === "continue") return this.#sayAuth(0x18, step.data);
    if (step.holds?.() === false) {
      throw new Refusal("not-authorized", "What the client has logged in with holds no longer");
    }
    this.#parts.turn.now = this.#parts.clock.timeOfDay();
    if (endpoint.isOpen) this.#readmit(step);
    else this.#admit(step);
    this.#connection.onAdmitted(step);
  }

  #admit(step: Success): void {
    const { connects, loop, metering } = this.#parts;
    const { endpoint, remoteAddress } = this.#connection;
    endpoint.greeting!.authenticationData = step.data;
    metering.begin(endpoint, { remoteAddress, clientId: this.#clientId, username: step.username });
    connects.attach(endpoint, this.#authentication.applicant, step);
    loop.settle();
  }

  /** Re-authentication. */
  #readmit(step: Success): void {
    const { endpoint } = this.#connection;
    if (step.username !== endpoint.session!.username) { // the session is the first user's
      throw new Refusal("not-authorized", "Cannot become another user on the way");
    }
    this.#parts.connects.renew(endpoint, step);
    this.#sayAuth(0, step.data);
    this.#connection.endIfForbidden();
  }

  #sayAuth(reasonCode: number, data: Uint8Array | undefined): void {
    this.#authentication.writeAuth(this.#connection.endpoint, reasonCode, data);
    this.#connection.transmit();
  }
}

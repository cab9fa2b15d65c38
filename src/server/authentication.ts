import type {
  AuthenticationMethod,
  Authenticator,
  Credentials,
  Exchange,
  ExchangeStep,
  Verdict,
} from "../auth/authenticator.ts";
import { Refusal, type RefusalCause } from "../core/refusal.ts";
import { quoted } from "../core/text.ts";
import type { Applicant } from "../protocol/connect_handler.ts";
import type { Endpoint } from "../protocol/endpoint.ts";
import { readAuth } from "../wire/disconnect.ts";
import type { FrameReader } from "../wire/frame_reader.ts";
import { writeAuth } from "../wire/reply.ts";

/** Reason codes of AUTH (MQTT 5 table 3-11). */
const CONTINUE = 0x18;
const REAUTHENTICATE = 0x19;

/** How one connection finds out who its client is: by name and password, or by an exchange of AUTH packets, which the client may
 * start again while it is connected (MQTT 5 section 4.12). */
export class Authentication {
  readonly #authenticator: Authenticator;
  readonly #methods: ReadonlyMap<string, AuthenticationMethod>;
  #applicant: Applicant | undefined;
  #credentials: Credentials | undefined;
  #method: AuthenticationMethod | undefined;
  #exchange: Exchange | null = null;
  /** Whether the client is connected and authenticates again. */
  #isAgain = false;

  constructor(authenticator: Authenticator, methods: ReadonlyMap<string, AuthenticationMethod>) {
    this.#authenticator = authenticator;
    this.#methods = methods;
  }

  /** The client that {@link begin} was called for. */
  get applicant(): Applicant {
    return this.#applicant!;
  }

  /** Whether an AUTH packet may come: the CONNECT named a method ([MQTT-4.12.0-7]). */
  get isExpected(): boolean {
    return this.#method !== undefined;
  }

  /** Whether no exchange is under way: the next AUTH packet begins one. */
  get isIdle(): boolean {
    return this.#exchange === null;
  }

  /** Takes the first step for a CONNECT. */
  begin(applicant: Applicant, credentials: Credentials): ExchangeStep | Promise<ExchangeStep> {
    this.#applicant = applicant;
    this.#credentials = credentials;
    const { authenticationMethod, authenticationData } = applicant.connect;
    if (authenticationMethod === undefined) {
      const verdict = this.#authenticator.authenticate(credentials);
      return verdict instanceof Promise ? verdict.then(stepOf) : stepOf(verdict);
    }
    this.#method = this.#methods.get(authenticationMethod);
    if (this.#method === undefined) { // [MQTT-4.12.0-1]
      const reason = `The authentication method ${quoted(authenticationMethod)} is not known here`;
      return { kind: "refused", refusal: "bad-authentication-method", reason };
    }
    this.#exchange = this.#method.begin(credentials);
    return this.#step(authenticationData);
  }

  /** Takes the next step for an AUTH packet.
   * @throws {Refusal} protocol-error when it is out of order ([MQTT-4.12.0-5], [MQTT-4.12.1-1]) */
  onAuth(frame: FrameReader): Promise<ExchangeStep> {
    const auth = readAuth(frame);
    if (auth.authenticationMethod !== this.#method?.name) {
      throw new Refusal("protocol-error", "Cannot change the authentication method on the way");
    }
    if (auth.reasonCode === REAUTHENTICATE && this.#exchange === null) {
      this.#exchange = this.#method!.begin(this.#credentials!);
      this.#isAgain = true;
    } else if (auth.reasonCode !== CONTINUE || this.#exchange === null) {
      throw new Refusal("protocol-error", "Cannot accept AUTH now");
    }
    return this.#step(auth.authenticationData);
  }

  /** Says AUTH to the client. */
  writeAuth(endpoint: Endpoint, reasonCode: number, data: Uint8Array | undefined): void {
    const properties = { authenticationMethod: this.#method!.name, authenticationData: data };
    endpoint.tell(() => writeAuth(endpoint.outbox, { reasonCode, properties }));
  }

  async #step(data: Uint8Array | undefined): Promise<ExchangeStep> {
    const step = await this.#exchange!.step(data);
    if (step.kind !== "continue") this.#exchange = null;
    return this.#isAgain && step.kind === "refused" ? { ...step, refusal: atDisconnect(step.refusal) } : step;
  }
}

/** DISCONNECT has fewer words than CONNACK (MQTT 5 table 3-13). */
function atDisconnect(refusal: RefusalCause): RefusalCause {
  return refusal === "server-busy" || refusal === "server-unavailable" ? "server-busy" : "not-authorized";
}

function stepOf(verdict: Verdict): ExchangeStep {
  if ("refusal" in verdict) return { kind: "refused", ...verdict };
  return { kind: "success", data: undefined, ...verdict };
}

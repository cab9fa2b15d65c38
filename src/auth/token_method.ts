import type { AuthenticationMethod, Credentials, Exchange, ExchangeStep, PolicyOf } from "./authenticator.ts";
import { type IdentitySource, WRONG } from "./identity.ts";
import { admit } from "./identity_chain.ts";

/** A signed token as a method of MQTT 5 enhanced authentication: the token is the data of CONNECT, and a new one that of an AUTH 0x19,
 * before the old one ends. It has the name and the form that Azure Event Grid gave it: no specification has one. */
export class TokenMethod implements AuthenticationMethod {
  /** As clients name it. */
  readonly name = "OAUTH2-JWT";
  readonly #tokens: IdentitySource;
  readonly #policyOf: PolicyOf | undefined;

  /** Shows `tokens` what the client sends as if it were its password. */
  constructor(tokens: IdentitySource, options: { policyOf?: PolicyOf } = {}) {
    this.#tokens = tokens;
    this.#policyOf = options.policyOf;
  }

  /** One step: the token is right or not. */
  begin(credentials: Credentials): Exchange {
    return { step: (data) => this.#judge({ ...credentials, password: data }) };
  }

  async #judge(credentials: Credentials): Promise<ExchangeStep> {
    const { name: source } = this.#tokens;
    const found = await this.#tokens.identify(credentials) ?? WRONG;
    if ("refusal" in found) return { kind: "refused", ...found };
    return { kind: "success", data: undefined, ...admit(credentials, { found, source, policyOf: this.#policyOf }) };
  }
}

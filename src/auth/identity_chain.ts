import { AccessRules } from "./access_rules.ts";
import {
  type Admission,
  ALLOW_ALL,
  type Authenticator,
  type Credentials,
  knownClient,
  type PolicyOf,
  type Verdict,
} from "./authenticator.ts";
import type { Denial, Identification, IdentitySource } from "./identity.ts";

/** What a chain is made of. */
export interface IdentityChainOptions {
  /** Asked in this order. */
  readonly sources: readonly IdentitySource[];
  /** Refuses a client with a name that no source knows, at the cost of a password that is wrong. */
  refuse(): Denial | Promise<Denial>;
  /** Whether a client that gives no name is let in. */
  readonly allowAnonymous: boolean;
  /** {@link ALLOW_ALL} when absent. */
  readonly policyOf?: PolicyOf;
}

/** Several sources, of which the first that knows the client decides. */
export class IdentityChain implements Authenticator {
  readonly #options: IdentityChainOptions;
  readonly #policyOf: PolicyOf;

  constructor(options: IdentityChainOptions) {
    this.#options = options;
    this.#policyOf = options.policyOf ?? (() => ALLOW_ALL);
  }

  async authenticate(credentials: Credentials): Promise<Verdict> {
    const { sources, allowAnonymous } = this.#options;
    for (const source of sources) {
      const found = await source.identify(credentials);
      if (found === undefined) continue;
      return "refusal" in found ? found : this.#admit(credentials, found);
    }
    if (credentials.username !== undefined) return await this.#options.refuse();
    if (allowAnonymous) {
      return { username: undefined, policy: this.#policyOf(knownClient(credentials, undefined)) };
    }
    return { refusal: "not-authorized", reason: "A user name and password are asked for here" };
  }

  #admit(credentials: Credentials, { username, groups, rules, expiresAt, holds }: Identification): Admission {
    const client = { ...knownClient(credentials, username), groups };
    const policy = rules === undefined ? this.#policyOf(client) : new AccessRules(rules).policyOf(client);
    return { username, policy, expiresAt, holds };
  }
}

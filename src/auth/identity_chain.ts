import { policyOfOwn } from "./access_rules.ts";
import {
  type Admission,
  ALLOW_ALL,
  type Authenticator,
  type Credentials,
  knownClient,
  type PolicyOf,
  type Verdict,
} from "./authenticator.ts";
import { type Denial, type Identification, type IdentitySource, NAMELESS, WRONG } from "./identity.ts";

/** What a chain is made of. */
export interface IdentityChainOptions {
  /** Asked in this order. */
  readonly sources: readonly IdentitySource[];
  /** Which of those whom no source knows are let in, as nobody: none; who gives no name; or all, whatever name they give. `none` when
   * absent. */
  readonly strangers?: "none" | "nameless" | "all";
  /** What a client may do that has brought no rules of its own; {@link ALLOW_ALL} when absent. */
  readonly policyOf?: PolicyOf;
}

/** Several sources, of which the first that knows the client decides: its no is final. */
export class IdentityChain implements Authenticator {
  readonly #options: IdentityChainOptions;

  /** Asks `sources` in their order. */
  constructor(options: IdentityChainOptions) {
    this.#options = options;
  }

  /** Asks one source after the other until one knows the client. */
  async authenticate(credentials: Credentials): Promise<Verdict> {
    const { sources, policyOf } = this.#options;
    for (const source of sources) {
      const found = await source.identify(credentials);
      if (found === undefined) continue;
      return "refusal" in found ? found : admit(credentials, { found, source: source.name, policyOf });
    }
    return this.#mayStay(credentials) ? letIn(credentials, policyOf) : await this.#refuse(credentials);
  }

  #mayStay({ username }: Credentials): boolean {
    const { strangers = "none" } = this.#options;
    return strangers === "all" || (strangers === "nameless" && username === undefined);
  }

  async #refuse({ username }: Credentials): Promise<Denial> {
    if (username === undefined) return NAMELESS;
    for (const source of this.#options.sources) {
      if (source.refuse !== undefined) return await source.refuse();
    }
    return WRONG;
  }
}

/** Nobody has proven the name that is given, so no rule goes by it. */
function letIn(credentials: Credentials, policyOf: PolicyOf = () => ALLOW_ALL): Admission {
  return { username: undefined, policy: policyOf(knownClient(credentials, undefined)) };
}

/** Lets in whom a source knows. */
export function admit(
  credentials: Credentials,
  by: { found: Identification; source: string; policyOf: PolicyOf | undefined },
): Admission {
  const { found: { username, groups, rules, expiresAt, holds }, source, policyOf = () => ALLOW_ALL } = by;
  const client = { ...knownClient(credentials, username), groups, source };
  const policy = rules === undefined ? policyOf(client) : policyOfOwn(rules, client);
  return { username, policy, expiresAt, holds };
}

import {
  ALLOW_ALL,
  type AuthenticationMethod,
  type Authenticator,
  knownClient,
  type PolicyOf,
} from "../auth/authenticator.ts";
import { CertificateIdentity } from "../auth/certificate_identity.ts";
import { PasswordUsers } from "../auth/password_users.ts";
import { type FindCredential, ScramSha256 } from "../auth/scram_sha_256.ts";
import type { AuthConfig } from "../config/config.ts";

/** What a chain needs from others. */
export interface AuthenticationChainOptions {
  /** What a client may do once it is known; {@link ALLOW_ALL} when absent. */
  readonly policyOf?: PolicyOf;
}

/** Everything that the configuration names to tell who a client is. */
export class AuthenticationChain {
  /** Asked at a CONNECT without a method. */
  readonly authenticator: Authenticator;
  /** Those that a CONNECT may name. */
  readonly methods: readonly AuthenticationMethod[];

  private constructor(authenticator: Authenticator, methods: readonly AuthenticationMethod[]) {
    this.authenticator = authenticator;
    this.methods = methods;
  }

  /** Reads what the configuration names. */
  static open(auth: AuthConfig, options: AuthenticationChainOptions = {}): Promise<AuthenticationChain> {
    const { policyOf = () => ALLOW_ALL } = options;
    const methods = auth.scramUsers.length > 0 ? [new ScramSha256(finderOf(auth), { policyOf })] : [];
    return Promise.resolve(new AuthenticationChain(authenticatorOf(auth, policyOf), methods));
  }
}

function authenticatorOf(auth: AuthConfig, policyOf: PolicyOf): Authenticator {
  const { scramUsers, allowAnonymous, certificateUsername } = auth;
  const byPassword = scramUsers.length === 0 && allowAnonymous
    ? openTo(policyOf)
    : new PasswordUsers(finderOf(auth), { allowAnonymous, policyOf });
  if (certificateUsername === "none") return byPassword;
  return new CertificateIdentity(certificateUsername, byPassword, { policyOf });
}

/** Lets everybody in under the name that they give; nobody has proven it, so no rule is to go by it. */
function openTo(policyOf: PolicyOf): Authenticator {
  return {
    authenticate: (credentials) => {
      return { username: credentials.username, policy: policyOf(knownClient(credentials, undefined)) };
    },
  };
}

function finderOf({ scramUsers }: AuthConfig): FindCredential {
  const byName = new Map(scramUsers.map((user) => [user.username, user]));
  return (username) => byName.get(username);
}

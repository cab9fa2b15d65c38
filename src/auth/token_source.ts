import { type CryptoKey, errors, type JWTPayload, jwtVerify, type JWTVerifyOptions } from "jose";
import { groupsOfClaim, rulesOfClaim } from "./access_claim.ts";
import type { Credentials } from "./authenticator.ts";
import type { Denial, Identification, IdentitySource } from "./identity.ts";
import { isMap } from "./json_map.ts";
import { KeysUnavailableError, type TokenKeys } from "./token_keys.ts";
import { whyNoUserName } from "./user_list.ts";

/** Which tokens are taken, and what they say. */
export interface TokenOptions {
  /** What tokens may be signed by, and no others, whatever one says of itself. */
  readonly algorithms: readonly string[];
  /** `iss` must be this, if given. */
  readonly issuer?: string;
  /** `aud` must be or contain this, if given. */
  readonly audience?: string;
  /** For clocks that differ; 0. */
  readonly clockToleranceSeconds?: number;
  /** Whether a token must end some day; true. */
  readonly requireExpiry?: boolean;
  /** Which claim is the user name; `sub`. */
  readonly usernameClaim?: string;
  /** Which claim has the groups; tokens name none when absent. */
  readonly groupsClaim?: string;
  /** Which claim says what may be done; tokens say nothing about it when absent. */
  readonly aclClaim?: string;
  /** Whether a user name in CONNECT must be that of the token; true. */
  readonly matchUsername?: boolean;
}

/** Longer ones are not looked at. */
const TOKEN_BYTES_MAX = 16 * 1024;

const INVALID: Denial = { refusal: "bad-user-name-or-password", reason: "The token is not valid" };

/** Knows who shows a signed token (JWT, RFC 7519) as the password. */
export class TokenSource implements IdentitySource {
  /** Tells it from other sources. */
  readonly name = "jwt";
  readonly #options: TokenOptions;
  readonly #verify: JWTVerifyOptions;
  #keys: TokenKeys;

  /** Takes what is signed by one of `keys`. */
  constructor(keys: TokenKeys, options: TokenOptions) {
    this.#keys = keys;
    this.#options = options;
    const { algorithms, issuer, audience, clockToleranceSeconds = 0, requireExpiry = true } = options;
    this.#verify = {
      algorithms: [...algorithms],
      issuer,
      audience,
      clockTolerance: clockToleranceSeconds,
      requiredClaims: requireExpiry ? ["exp"] : [],
    };
  }

  /** Exchanges the keys; clients that are connected stay until their tokens end. */
  replace(keys: TokenKeys): void {
    this.#keys = keys;
  }

  /** Has no word about a password that does not look like a token. */
  async identify({ username, password }: Credentials): Promise<Identification | Denial | undefined> {
    const token = tokenIn(password);
    if (token === undefined) return undefined;
    if (token.length > TOKEN_BYTES_MAX) return INVALID;
    let payload: JWTPayload;
    try {
      payload = await this.#payloadOf(token);
    } catch (error) {
      return denialOf(error);
    }
    return this.#identificationBy(payload, username);
  }

  async #payloadOf(token: string): Promise<JWTPayload> {
    let failure: unknown;
    for (const key of await this.#keysFor(token)) {
      try {
        return (await jwtVerify(token, key as CryptoKey, this.#verify)).payload;
      } catch (error) {
        if (!(error instanceof errors.JWSSignatureVerificationFailed)) throw error;
        failure = error; // another key may have signed it
      }
    }
    throw failure ?? new errors.JWKSNoMatchingKey();
  }

  /** The header is not trusted: it only chooses among keys that are there and algorithms that are pinned. */
  #keysFor(token: string) {
    const { alg, kid } = headerOf(token) ?? {};
    if (typeof alg !== "string" || !this.#options.algorithms.includes(alg)) throw new errors.JOSEAlgNotAllowed();
    if (kid !== undefined && typeof kid !== "string") throw new errors.JWSInvalid();
    return this.#keys.keysFor({ alg, kid });
  }

  #identificationBy(payload: JWTPayload, given: string | undefined): Identification | Denial {
    const { usernameClaim = "sub", groupsClaim, aclClaim, matchUsername = true, clockToleranceSeconds = 0 } =
      this.#options;
    const claim = (name: string | undefined) => {
      return name !== undefined && Object.hasOwn(payload, name) ? payload[name] : undefined;
    };
    const username = claim(usernameClaim);
    if (typeof username !== "string" || whyNoUserName(username) !== undefined) {
      return notAccepted(`${usernameClaim} names no user`);
    }
    if (matchUsername && given !== undefined && given !== username) return notAccepted("the user name is not its own");
    const groups = groupsOfClaim(claim(groupsClaim) ?? []);
    if (groups === undefined) return notAccepted(`${groupsClaim} has no groups`);
    const acl = claim(aclClaim);
    const rules = acl === undefined ? undefined : rulesOfClaim(acl);
    if (acl !== undefined && rules === undefined) return notAccepted(`${aclClaim} has no access rules`);
    const expiresAt = payload.exp === undefined ? undefined : (payload.exp + clockToleranceSeconds) * 1000;
    return { username, groups, rules, expiresAt };
  }
}

/** The password, if it looks like a token; anything else is somebody else's to judge. */
function tokenIn(password: Uint8Array | undefined): string | undefined {
  if (password === undefined) return undefined;
  const text = new TextDecoder("latin1").decode(password);
  if (!/^[\w-]+\.[\w-]+\.[\w-]*$/.test(text)) return undefined;
  return headerOf(text) === undefined ? undefined : text;
}

function headerOf(token: string): Record<string, unknown> | undefined {
  try {
    const bytes = Uint8Array.fromBase64(token.slice(0, token.indexOf(".")), { alphabet: "base64url" });
    const header = JSON.parse(new TextDecoder().decode(bytes));
    return isMap(header) ? header : undefined;
  } catch {
    return undefined; // no token then
  }
}

/** A token that was signed rightly and is not accepted is no guess; its client is told what is wrong. */
function denialOf(error: unknown): Denial {
  if (error instanceof KeysUnavailableError) return { refusal: "server-unavailable", reason: error.message };
  if (error instanceof errors.JWTExpired) return notAccepted("it has expired");
  if (error instanceof errors.JWTClaimValidationFailed) return notAccepted(`${error.claim} is missing or not right`);
  return INVALID;
}

function notAccepted(why: string): Denial {
  return { refusal: "not-authorized", reason: `The token is not accepted: ${why}` };
}

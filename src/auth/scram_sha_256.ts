import { equalBytes, fromBase64 } from "./bytes.ts";
import {
  ALLOW_ALL,
  type AuthenticationMethod,
  type Credentials,
  type Exchange,
  type ExchangeStep,
  knownClient,
  type PolicyOf,
} from "./authenticator.ts";
import { WRONG } from "./identity.ts";
import { hmac, type ScramCredential } from "./scram_credential.ts";
import { type FindCredential, type ScramDecoy, ScramUsers } from "./scram_users.ts";

/** The client's first message, taken apart (RFC 5802 section 7). */
interface ClientFirst {
  /** `n,,` or `y,,`: no channel binding. */
  readonly header: string;
  readonly bare: string;
  readonly username: string;
  readonly nonce: string;
}

/** SCRAM-SHA-256 (RFC 7677) as a method of MQTT 5 enhanced authentication: client-first in CONNECT, server-first and client-final in
 * AUTH, server-final in CONNACK. The password never crosses the wire, and the server proves that it knows the user, too. */
export class ScramSha256 implements AuthenticationMethod {
  readonly name = "SCRAM-SHA-256";
  readonly #users: ScramUsers;
  readonly #policyOf: PolicyOf;

  /** Looks users up with `find`, once for each exchange. */
  constructor(find: FindCredential, options: { policyOf?: PolicyOf; decoy?: ScramDecoy } = {}) {
    this.#users = new ScramUsers(find, options.decoy);
    this.#policyOf = options.policyOf ?? (() => ALLOW_ALL);
  }

  /** Starts an exchange; who the client is comes from its first message, not from CONNECT. */
  begin(credentials: Credentials): Exchange {
    return new ScramExchange(this.#users, this.#policyOf, credentials);
  }
}

/** What was said and found in the first step. */
interface Begun {
  readonly first: ClientFirst;
  readonly serverFirst: string;
  readonly credential: ScramCredential;
}

class ScramExchange implements Exchange {
  readonly #users: ScramUsers;
  readonly #policyOf: PolicyOf;
  readonly #credentials: Credentials;
  #begun: Begun | undefined;

  constructor(users: ScramUsers, policyOf: PolicyOf, credentials: Credentials) {
    this.#users = users;
    this.#policyOf = policyOf;
    this.#credentials = credentials;
  }

  async step(data: Uint8Array | undefined): Promise<ExchangeStep> {
    let text: string;
    try {
      text = new TextDecoder("utf-8", { fatal: true }).decode(data ?? new Uint8Array());
    } catch {
      return refused("The message is not UTF-8");
    }
    return this.#begun === undefined ? await this.#onFirst(text) : await this.#onFinal(text, this.#begun);
  }

  async #onFirst(text: string): Promise<ExchangeStep> {
    const first = parseClientFirst(text);
    if (first === undefined) return refused("The first message is not one of SCRAM without channel binding");
    const credential = await this.#users.find(first.username);
    const nonce = first.nonce + crypto.getRandomValues(new Uint8Array(18)).toBase64();
    const serverFirst = `r=${nonce},s=${credential.salt.toBase64()},i=${credential.iterations}`;
    this.#begun = { first, serverFirst, credential };
    return { kind: "continue", data: new TextEncoder().encode(serverFirst) };
  }

  async #onFinal(text: string, { first, serverFirst, credential }: Begun): Promise<ExchangeStep> {
    const match = /^(c=([^,]*),r=([^,]*)(?:,[^,]*)*),p=([^,]*)$/.exec(text);
    const proof = match === null ? undefined : fromBase64(match[4]);
    const isOfThisExchange = match !== null && match[2] === new TextEncoder().encode(first.header).toBase64() &&
      serverFirst.startsWith(`r=${match[3]},s=`);
    if (proof?.length !== 32 || !isOfThisExchange) return refused("The final message does not belong to this exchange");
    const authMessage = `${first.bare},${serverFirst},${match![1]}`;
    const signature = await hmac(credential.storedKey, authMessage);
    const clientKey = signature.map((byte, i) => byte ^ proof[i]);
    const storedKey = new Uint8Array(await crypto.subtle.digest("SHA-256", clientKey));
    if (!equalBytes(storedKey, credential.storedKey)) return { kind: "refused", ...WRONG };
    const serverSignature = (await hmac(credential.serverKey, authMessage)).toBase64();
    const data = new TextEncoder().encode(`v=${serverSignature}`);
    const { username } = first;
    const policy = this.#policyOf({ ...knownClient(this.#credentials, username), source: "users" });
    return { kind: "success", data, username, policy };
  }
}

function parseClientFirst(text: string): ClientFirst | undefined {
  const match = /^([ny],(?:a=([^,]*))?,)(n=([^,]+),r=([\x21-\x2b\x2d-\x7e]+)(?:,[^,]*)*)$/.exec(text);
  if (match === null) return undefined;
  const [, header, actingFor, bare, name, nonce] = match;
  if (/=(?!2C|3D)/.test(name)) return undefined; // "," and "=" in names are written =2C and =3D
  if (actingFor !== undefined && actingFor !== name) return undefined; // nobody may act for somebody else
  return { header, bare, username: name.replaceAll("=2C", ",").replaceAll("=3D", "="), nonce };
}

function refused(reason: string): ExchangeStep {
  return { kind: "refused", refusal: "not-authorized", reason };
}

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
import { DEFAULT_ITERATIONS, hmac, type ScramCredential } from "./scram_credential.ts";

/** Finds the credential of a user; undefined when there is no such user. */
export type FindCredential = (username: string) => ScramCredential | undefined | Promise<ScramCredential | undefined>;

/** How users who do not exist are answered: the same way after a restart, or they would give themselves away. */
export interface ScramDecoy {
  /** 32 random bytes that are kept, from which their salts come. */
  readonly secret: Uint8Array<ArrayBuffer>;
  /** What most users have. */
  readonly iterations: number;
  /** The length of most users' salts, up to 32; 16 when absent. */
  readonly saltBytes?: number;
}

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
  readonly #users: Users;

  /** Looks users up with `find`, once for each exchange. */
  constructor(find: FindCredential, options: { policyOf?: PolicyOf; decoy?: ScramDecoy } = {}) {
    this.#users = {
      find,
      policyOf: options.policyOf ?? (() => ALLOW_ALL),
      decoySecret: options.decoy?.secret ?? crypto.getRandomValues(new Uint8Array(32)),
      decoyIterations: options.decoy?.iterations ?? DEFAULT_ITERATIONS,
      decoySaltBytes: options.decoy?.saltBytes ?? 16,
      followsUsers: options.decoy === undefined,
    };
  }

  /** Starts an exchange; who the client is comes from its first message, not from CONNECT. */
  begin(credentials: Credentials): Exchange {
    return new ScramExchange(this.#users, credentials);
  }
}

/** What the exchanges of a method share. A user that does not exist is answered like one that does: with a salt made up from the
 * secret, the same one each time, and the iterations that the last user found had. */
interface Users {
  readonly find: FindCredential;
  readonly policyOf: PolicyOf;
  readonly decoySecret: Uint8Array<ArrayBuffer>;
  decoyIterations: number;
  readonly decoySaltBytes: number;
  /** Whether the iterations are those of the last user found; a guess, for want of knowing. */
  readonly followsUsers: boolean;
}

class ScramExchange implements Exchange {
  readonly #users: Users;
  readonly #credentials: Credentials;
  #first: ClientFirst | undefined;
  #serverFirst = "";
  #credential: ScramCredential | undefined;

  constructor(users: Users, credentials: Credentials) {
    this.#users = users;
    this.#credentials = credentials;
  }

  async step(data: Uint8Array | undefined): Promise<ExchangeStep> {
    let text: string;
    try {
      text = new TextDecoder("utf-8", { fatal: true }).decode(data ?? new Uint8Array());
    } catch {
      return refused("The message is not UTF-8");
    }
    return this.#first === undefined ? await this.#onFirst(text) : await this.#onFinal(text);
  }

  async #onFirst(text: string): Promise<ExchangeStep> {
    const first = this.#first = parseClientFirst(text);
    if (first === undefined) return refused("The first message is not one of SCRAM without channel binding");
    const users = this.#users;
    this.#credential = await users.find(first.username);
    if (this.#credential !== undefined && users.followsUsers) users.decoyIterations = this.#credential.iterations;
    const decoySalt = await this.#decoySalt(first.username); // for who exists, too: it takes a time of its own
    const { salt, iterations } = this.#credential ?? { salt: decoySalt, iterations: users.decoyIterations };
    const nonce = first.nonce + crypto.getRandomValues(new Uint8Array(18)).toBase64();
    this.#serverFirst = `r=${nonce},s=${salt.toBase64()},i=${iterations}`;
    return { kind: "continue", data: new TextEncoder().encode(this.#serverFirst) };
  }

  async #onFinal(text: string): Promise<ExchangeStep> {
    const { header, bare, username } = this.#first!;
    const match = /^(c=([^,]*),r=([^,]*)(?:,[^,]*)*),p=([^,]*)$/.exec(text);
    const proof = match === null ? undefined : fromBase64(match[4]);
    const isOfThisExchange = match !== null && match[2] === new TextEncoder().encode(header).toBase64() &&
      this.#serverFirst.startsWith(`r=${match[3]},s=`);
    if (proof?.length !== 32 || !isOfThisExchange) return refused("The final message does not belong to this exchange");
    const authMessage = `${bare},${this.#serverFirst},${match![1]}`;
    const credential = this.#credential;
    const signature = await hmac(credential?.storedKey ?? this.#users.decoySecret, authMessage);
    const clientKey = signature.map((byte, i) => byte ^ proof[i]);
    const storedKey = new Uint8Array(await crypto.subtle.digest("SHA-256", clientKey));
    if (credential === undefined || !equalBytes(storedKey, credential.storedKey)) {
      return { kind: "refused", ...WRONG };
    }
    const serverSignature = (await hmac(credential.serverKey, authMessage)).toBase64();
    const data = new TextEncoder().encode(`v=${serverSignature}`);
    const policy = this.#users.policyOf({ ...knownClient(this.#credentials, username), source: "users" });
    return { kind: "success", data, username, policy };
  }

  async #decoySalt(username: string): Promise<Uint8Array> {
    return (await hmac(this.#users.decoySecret, username)).slice(0, this.#users.decoySaltBytes);
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

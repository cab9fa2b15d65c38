import { CoapRefusal } from "./coap_refusal.ts";
import { Code } from "./message.ts";
import type { QoS } from "../../core/message.ts";

/** Who sends a request, as the query of its URI says it. */
export interface QueryCredentials {
  readonly clientId: string | undefined;
  readonly username: string | undefined;
  readonly password: string | undefined;
}

const CREDENTIALS = new Set(["client_id", "username", "password", "authorization"]);

/** The parts of a query, each of which has to be known to who reads it. */
export class Query {
  readonly #values: ReadonlyMap<string, string>;

  /** @throws {CoapRefusal} 4.00 for a part that is there twice */
  constructor(pairs: readonly (readonly [string, string])[]) {
    const values = new Map<string, string>();
    for (const [name, value] of pairs) {
      if (values.has(name)) throw new CoapRefusal(Code.badRequest, `Cannot accept ${shown(name)} twice in a query`);
      values.set(name, value);
    }
    this.#values = values;
  }

  /** @throws {CoapRefusal} 4.00 for a part that is not one of `names`, nor a credential */
  assertKnown(names: readonly string[]): void {
    for (const name of this.#values.keys()) {
      if (names.includes(name) || CREDENTIALS.has(name)) continue;
      const known = names.length === 0 ? "there is none" : `it may have ${names.join(", ")}`;
      throw new CoapRefusal(Code.badRequest, `Cannot accept ${shown(name)} in the query: ${known}`);
    }
  }

  /** `authorization` is another name for the password, as those have it who send a token. */
  get credentials(): QueryCredentials | undefined {
    if (![...CREDENTIALS].some((name) => this.#values.has(name))) return undefined;
    return {
      clientId: this.#values.get("client_id"),
      username: this.#values.get("username"),
      password: this.#values.get("password") ?? this.#values.get("authorization"),
    };
  }

  text(name: string): string | undefined {
    return this.#values.get(name);
  }

  /** @throws {CoapRefusal} 4.00 when it is not 0, 1 or 2 */
  qos(): QoS {
    return this.#integer("qos", 2) as QoS ?? 0;
  }

  /** A name alone says yes.
   * @throws {CoapRefusal} 4.00 for another word than those that say yes or no */
  flag(name: string): boolean | undefined {
    const value = this.#values.get(name);
    if (value === undefined) return undefined;
    if (["", "1", "true"].includes(value)) return true;
    if (["0", "false"].includes(value)) return false;
    throw new CoapRefusal(Code.badRequest, `Cannot accept ${name}=${shown(value)}: it is true or false`);
  }

  /** @throws {CoapRefusal} 4.00 when MQTT has no such expiry */
  seconds(name: string): number | undefined {
    return this.#integer(name, 0xffff_ffff);
  }

  #integer(name: string, to: number): number | undefined {
    const value = this.#values.get(name);
    if (value === undefined) return undefined;
    if (/^\d{1,10}$/.test(value) && Number(value) <= to) return Number(value);
    throw new CoapRefusal(Code.badRequest, `Cannot accept ${name}=${shown(value)}: it lies between 0 and ${to}`);
  }
}

function shown(text: string): string {
  return JSON.stringify(text.slice(0, 32));
}

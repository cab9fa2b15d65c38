import { AddressRanges } from "../address/address_ranges.ts";
import { DEFAULT_LIMITS } from "../core/limits.ts";
import type { QoS } from "../core/message.ts";
import { Refusal } from "../core/refusal.ts";
import { assertTopicFilter } from "../core/topic.ts";
import type { KnownClient } from "./authenticator.ts";

/** One rule about who may do what where. Whatever it says about the client must hold for it to count; what it leaves out does not
 * matter. */
export interface AccessRule {
  /** What it decides. */
  readonly permission: "allow" | "deny";
  /** What it is about. */
  readonly action: "publish" | "subscribe" | "all";
  /** Valid and without `$share/<group>/`; `%c` stands for the client id, `%u` for the user name. A leading wildcard does not match
   * topics that begin with `$`. */
  readonly filter: string;
  /** Publishing only: messages with this retain flag; any when absent. */
  readonly retain?: boolean;
  /** Allowing only: up to this QoS; any when absent. */
  readonly qosMax?: QoS;
  /** The name of a user, exactly. */
  readonly user?: string;
  /** A group that the client belongs to, exactly. */
  readonly group?: string;
  /** A client id, in which `*` stands for any characters, also none. */
  readonly clientId?: string;
  /** An IP address or a range of them in CIDR form, such as `192.0.2.0/24`. */
  readonly address?: string;
  /** The name of a listener, exactly. */
  readonly listener?: string;
  /** True for clients without a user name, false for those with one. */
  readonly anonymous?: boolean;
}

/** A rule for one client, its filter in levels. */
export interface ClientRule {
  /** Where in the list it stands, from 0. */
  readonly index: number;
  readonly rule: AccessRule;
  readonly levels: readonly string[];
}

/** A rule that is ready to be held against clients. */
export class PreparedRule {
  readonly #index: number;
  readonly #rule: AccessRule;
  readonly #range: AddressRanges | undefined;

  /** @throws {RangeError} for a filter or an address that is none, or a combination without sense */
  constructor(rule: AccessRule, index: number) {
    assertFilter(rule.filter);
    if (rule.retain !== undefined && rule.action !== "publish") {
      throw new RangeError("Cannot use an access rule with retain: only one about publish has it");
    }
    if (rule.qosMax !== undefined && rule.permission !== "allow") {
      throw new RangeError("Cannot use an access rule with a maximum QoS: only one that allows has it");
    }
    this.#index = index;
    this.#rule = rule;
    this.#range = rule.address === undefined ? undefined : new AddressRanges([rule.address]);
  }

  /** What the rule is for `client`; undefined when it does not count. */
  for(client: KnownClient): ClientRule | undefined {
    if (!this.#isAbout(client)) return undefined;
    const levels = substituted(this.#rule, client);
    return levels === undefined ? undefined : { index: this.#index, rule: this.#rule, levels };
  }

  #isAbout(client: KnownClient): boolean {
    const { user, group, clientId, listener, anonymous } = this.#rule;
    if (user !== undefined && user !== client.username) return false;
    if (group !== undefined && client.groups?.includes(group) !== true) return false;
    if (clientId !== undefined && !globMatches(clientId, client.clientId)) return false;
    if (listener !== undefined && listener !== client.listener) return false;
    if (anonymous !== undefined && anonymous !== (client.username === undefined)) return false;
    return this.#range === undefined || this.#range.has(client.remoteAddress);
  }
}

/** A malformed filter could be taken for a wide one. */
function assertFilter(filter: string): void {
  try {
    assertTopicFilter(filter, new TextEncoder().encode(filter).length, DEFAULT_LIMITS);
  } catch (cause) {
    if (!(cause instanceof Refusal)) throw cause;
    throw new RangeError(`Cannot use an access rule: ${cause.message}`, { cause });
  }
}

/** The levels of the rule's filter with the client's names in it. A name that could pass for more than one level, for a wildcard or,
 * at the beginning, for one of the broker's own topics opens nothing: the rule does not count when it allows. When it denies it is
 * widened, to everything from that level on: an odd name is no way around it. */
function substituted(rule: AccessRule, client: KnownClient): readonly string[] | undefined {
  const levels: string[] = [];
  for (const level of rule.filter.split("/")) {
    const names = [...level.matchAll(/%[cu]/g)].map(([mark]) =>
      (mark === "%c" ? client.clientId : client.username) ?? ""
    );
    const filled = level.replace(/%[cu]/g, () => names.shift()!);
    const isPlain = filled === level || isHarmless(level, client);
    const isOwn = filled !== level && levels.length === 0 && filled.startsWith("$");
    if (isPlain && !(isOwn && rule.permission === "allow")) levels.push(filled);
    else if (rule.permission === "allow") return undefined;
    else return [...levels, "#"];
  }
  return levels;
}

function isHarmless(level: string, { clientId, username = "" }: KnownClient): boolean {
  const names = [...(level.includes("%c") ? [clientId] : []), ...(level.includes("%u") ? [username] : [])];
  return names.every((name) => name !== "" && !/[+#/\0]/.test(name));
}

/** Whether `text` is `pattern` with something in the place of each `*`. Takes a time that grows with the product of the two at worst:
 * no pattern makes it explode. */
export function globMatches(pattern: string, text: string): boolean {
  const [first, ...rest] = pattern.split("*");
  if (rest.length === 0) return pattern === text;
  const last = rest.pop()!;
  if (!text.startsWith(first) || text.length < first.length + last.length || !text.endsWith(last)) return false;
  let at = first.length;
  const end = text.length - last.length;
  for (const part of rest) {
    const found = text.indexOf(part, at);
    if (found < 0 || found + part.length > end) return false;
    at = found + part.length;
  }
  return true;
}

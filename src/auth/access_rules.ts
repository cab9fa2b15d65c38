import { Memo } from "../core/memo.ts";
import type { Identity, Policy, PublishFacts } from "../core/ports.ts";
import type { QoS } from "../core/message.ts";
import type { StoredWill, WillAuthor } from "../core/mutation.ts";
import { type AccessRule, type ClientRule, PreparedRule } from "./access_rule.ts";
import type { KnownClient, PolicyOf } from "./authenticator.ts";
import { covers, overlaps } from "./filter_cover.ts";

/** Topics whose verdicts a client's policy remembers. */
const VERDICTS_MAX = 256;

/** Behind the two bits for each QoS with and without retain. */
const RECEIVE_ASKED = 1 << 12;
const RECEIVE_ALLOWED = 1 << 13;

const NO_RULES: readonly ClientRule[] = [];

/** What somebody wants to do. */
export type AccessRequest =
  | { readonly action: "publish"; readonly topic: string; readonly qos: QoS; readonly retain: boolean }
  | { readonly action: "subscribe"; readonly filter: string; readonly qos: QoS };

/** Whether it is allowed, and by which rule. */
export interface AccessDecision {
  /** Whether it may be done. */
  readonly isAllowed: boolean;
  /** The place in the list of the rule that decides, from 0; undefined when none does. */
  readonly rule: number | undefined;
}

/** What holds where no rule decides. */
export interface AccessRulesOptions {
  /** `deny` when absent. */
  readonly otherwise?: "allow" | "deny";
}

/** A list of rules of which the first that decides wins. To publish is decided by the first rule that matches the topic. To subscribe
 * is allowed by a rule that covers the whole filter and denied by one that overlaps it: what is allowed is never more than all of its
 * topics one by one. The rules can be exchanged while clients are connected. */
export class AccessRules {
  readonly #rights: Rights;

  /** Uses `rules` from the start.
   * @throws {RangeError} for a rule that makes no sense */
  constructor(rules: readonly AccessRule[], options: AccessRulesOptions = {}) {
    this.#rights = { table: tableOf(rules, options) };
  }

  /** What a client may do, as authenticators ask for it. */
  readonly policyOf: PolicyOf = (client) => new ClientPolicy(this.#rights, client);

  /** Whether a will that a restart has brought back may be published (`BrokerOptions.mayPublishStored`): by the rules that its client had
   * brought itself, else by these as they are now. Not one that does not say whose it is. */
  readonly mayPublishStored = ({ clientId, topic, qos, retain, author }: StoredWill): boolean => {
    if (author === undefined) return false;
    const { rules, ...facts } = author;
    const client = { clientId, username: undefined, protocolVersion: 0, ...facts };
    const table = rules === undefined ? this.#rights.table : tableOf(rules as AccessRule[]);
    return decideBy(table, rulesFor(table, client), { action: "publish", topic, qos, retain }).isAllowed;
  };

  /** Exchanges all rules, or none when one makes no sense. What clients publish, and subscribe to from now on, is held against the
   * new ones at once; subscriptions that are there stay until `WeirBroker.endForbidden` or the client's next connection.
   * @throws {RangeError} for a rule that makes no sense */
  replace(rules: readonly AccessRule[], options: AccessRulesOptions = {}): void {
    this.#rights.table = tableOf(rules, options);
  }

  /** Decides one request; slower than a policy, since it remembers nothing. */
  decide(client: KnownClient, request: AccessRequest): AccessDecision {
    const { table } = this.#rights;
    return decideBy(table, rulesFor(table, client), request);
  }
}

/** What a client may do by rules that it has brought itself: nobody exchanges them, and its will keeps them. */
export function policyOfOwn(rules: readonly AccessRule[], client: KnownClient): Policy {
  return new ClientPolicy({ table: tableOf(rules), own: rules }, client);
}

function authorOf({ username, groups, remoteAddress, listener, source }: KnownClient, { own }: Rights): WillAuthor {
  return {
    ...(username !== undefined && { username }),
    ...(groups !== undefined && { groups }),
    ...(source !== undefined && { source }),
    remoteAddress,
    listener,
    ...(own !== undefined && { rules: own }),
  };
}

/** What policies are by. */
interface Rights {
  /** Another one when the rules are exchanged. */
  table: Table;
  /** Those that a client has brought itself. */
  readonly own?: readonly AccessRule[];
}

/** All rules at one time; never changed, so that its identity tells whether they still are. */
interface Table {
  readonly rules: readonly PreparedRule[];
  readonly otherwise: boolean;
}

function tableOf(rules: readonly AccessRule[], { otherwise = "deny" }: AccessRulesOptions = {}): Table {
  return { rules: rules.map((rule, index) => new PreparedRule(rule, index)), otherwise: otherwise === "allow" };
}

function rulesFor(table: Table, client: KnownClient): readonly ClientRule[] {
  return table.rules.flatMap((rule) => rule.for(client) ?? []);
}

function decideBy(table: Table, rules: readonly ClientRule[], request: AccessRequest): AccessDecision {
  const levels = (request.action === "publish" ? request.topic : request.filter).split("/");
  const found = rules.find((each) => decides(each, request, levels));
  if (found === undefined) return { isAllowed: table.otherwise, rule: undefined };
  return { isAllowed: found.rule.permission === "allow", rule: found.index };
}

function decides(each: ClientRule, request: AccessRequest, levels: readonly string[]): boolean {
  const { permission, action, retain, qosMax } = each.rule;
  if (action !== "all" && action !== request.action) return false;
  if (qosMax !== undefined && request.qos > qosMax) return false;
  if (request.action === "publish") return (retain ?? request.retain) === request.retain && covers(each.levels, levels);
  return permission === "allow" ? covers(each.levels, levels) : overlaps(each.levels, levels);
}

/** What one client may do by the rules as they are. There is one for each connection: it keeps what it needs while nothing is asked. */
class ClientPolicy implements Policy {
  readonly #rights: Rights;
  readonly #client: KnownClient;
  #table: Table | undefined;
  #rules = NO_RULES;
  /** Topic -> two bits for each QoS with and without retain, and for what has waited: asked already, allowed. Made for the first message. */
  #verdicts: Memo<number> | undefined;

  constructor(rights: Rights, client: KnownClient) {
    this.#rights = rights;
    this.#client = client;
  }

  get author(): WillAuthor {
    return authorOf(this.#client, this.#rights);
  }

  mayPublish(_identity: Identity, topic: string, { qos, retain }: PublishFacts): boolean {
    const table = this.#refreshed();
    if (this.#rules.length === 0) return table.otherwise;
    const known = this.#verdicts?.get(topic) ?? 0;
    const shift = (qos << 2) | (retain ? 2 : 0);
    const bits = known >> shift;
    if ((bits & 1) !== 0) return (bits & 2) !== 0;
    const { isAllowed } = decideBy(table, this.#rules, { action: "publish", topic, qos, retain });
    this.#remember(topic, known | ((isAllowed ? 3 : 1) << shift));
    return isAllowed;
  }

  maySubscribe(_identity: Identity, filter: string, qos: QoS): boolean {
    return decideBy(this.#refreshed(), this.#rules, { action: "subscribe", filter, qos }).isAllowed;
  }

  mayReceive(_identity: Identity, topic: string): boolean {
    const table = this.#refreshed();
    const known = this.#verdicts?.get(topic) ?? 0;
    if ((known & RECEIVE_ASKED) !== 0) return (known & RECEIVE_ALLOWED) !== 0;
    const { isAllowed } = decideBy(table, this.#rules, { action: "subscribe", filter: topic, qos: 0 });
    this.#remember(topic, known | RECEIVE_ASKED | (isAllowed ? RECEIVE_ALLOWED : 0));
    return isAllowed;
  }

  #remember(topic: string, bits: number): void {
    (this.#verdicts ??= new Memo(VERDICTS_MAX)).set(topic, bits);
  }

  #refreshed(): Table {
    const { table } = this.#rights;
    if (this.#table === table) return table;
    this.#table = table;
    this.#rules = rulesFor(table, this.#client);
    this.#verdicts = undefined;
    return table;
  }
}

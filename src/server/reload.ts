/** What a reload changes while the broker runs, and what it can only name. */
import { getLogger } from "@logtape/logtape";
import type { AccessRules } from "../auth/access_rules.ts";
import type { Config, ListenerConfig, QueuesConfig } from "../config/config.ts";
import type { AdjustableLimits, Limits } from "../core/limits.ts";
import { wordsOf } from "../core/text.ts";
import type { AuthenticationChain } from "./authentication_chain.ts";
import { withExempt } from "./exempt.ts";
import { readTls } from "./tls_files.ts";
import type { WeirBroker } from "./weir_broker.ts";

/** What takes effect at once; the rest needs a restart. */
const LIVE: readonly RegExp[] = [
  /^log\./,
  /^auth\.acl(_file|_default)?$/,
  /^ratelimit\./,
  /^session\.(max_sessions|max_subscriptions)(_per_user|_per_address)?$/,
  /^session\.(takeover|max_offline_queue_size|max_offline_queue_bytes)$/,
  /^session\.(offline_queue_policy|queue_qos0)$/,
  /^queues?(\.|$)/,
  /^broker\.(max_retained_messages|max_retained_bytes|max_message_expiry)$/,
];

/** The parts of a running broker that a reload changes. */
export interface Reloadable {
  readonly broker: WeirBroker;
  readonly rules: AccessRules;
  readonly chain: AuthenticationChain;
}

/** Brings the broker from `before` to `after`, as far as it can be, and reads again the files that both name. What cannot be used is told
 * in the log and leaves what was. Without `after`, which could not be read, only the files are. */
export async function reload({ broker, rules, chain }: Reloadable, before: Config, after?: Config): Promise<void> {
  if (after !== undefined) {
    apply({ broker, rules }, after);
    await defineQueues(broker, after.queues);
  }
  await renewTls(broker, [...before.listeners, ...before.http === null ? [] : [before.http]]);
  await chain.reload();
  broker.endRevoked();
  broker.endForbidden(); // when everybody who stays is known
  if (after !== undefined) tellRestart(before, after);
}

/** Keys that differ and take effect at a restart only. */
export function needsRestart(before: Config, after: Config): string[] {
  const paths = [...new Set([...before.keys.keys(), ...after.keys.keys()])];
  return paths.filter((path) =>
    before.keys.get(path) !== after.keys.get(path) && !LIVE.some((live) => live.test(path))
  );
}

function apply({ broker, rules }: Omit<Reloadable, "chain">, { auth, limits, rateLimits }: Config): void {
  rules.replace(auth.acl.rules, { otherwise: auth.acl.otherwise });
  broker.adjustLimits(adjustable(limits));
  broker.adjustRateLimits(withExempt(rateLimits));
  getLogger(["weir"]).info("the configuration has been read again; access rules: {count}", {
    count: auth.acl.rules.length,
  });
}

/** A queue that cannot become what is asked for stays as it is. */
async function defineQueues({ queues }: WeirBroker, { definitions, ...defaults }: QueuesConfig): Promise<void> {
  queues.adjust(defaults);
  for (const definition of definitions) {
    try {
      await queues.define(definition);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      const { name } = definition;
      getLogger(["weir"]).error("the queue {name} stays as it is: {error}", { name, error: wordsOf(error) });
    }
  }
}

function adjustable(limits: Limits): AdjustableLimits {
  const { sessionsMax, sessionsPerUserMax, takeover, messageExpirySecondsMax } = limits;
  const { subscriptionsPerSessionMax, subscriptionsPerUserMax, subscriptionsPerAddressMax } = limits;
  const { queuedMessagesMax, queuedBytesMax, queueOverflow, queueQos0, retainedMessagesMax, retainedBytesMax } = limits;
  return {
    ...{ sessionsMax, sessionsPerUserMax, takeover, messageExpirySecondsMax },
    ...{ subscriptionsPerSessionMax, subscriptionsPerUserMax, subscriptionsPerAddressMax },
    ...{ queuedMessagesMax, queuedBytesMax, queueOverflow, queueQos0, retainedMessagesMax, retainedBytesMax },
  };
}

function tellRestart(before: Config, after: Config): void {
  const keys = needsRestart(before, after);
  if (keys.length > 0) getLogger(["weir"]).warn("needs a restart: {keys}", { keys: keys.join(", ") });
}

/** Renews the files of the TLS listeners. One that is not usable changes nothing, and is told. */
async function renewTls(broker: WeirBroker, listeners: readonly Pick<ListenerConfig, "name" | "tls">[]): Promise<void> {
  const logger = getLogger(["weir"]);
  for (const { name, tls } of listeners) {
    if (tls === null) continue;
    try {
      await broker.renewTls(name, await readTls(tls));
      logger.info("listener {name} has read its certificate files again", { name });
    } catch (error) {
      logger.error("listener {name} keeps its certificate: {error}", { name, error: wordsOf(error) });
    }
  }
}

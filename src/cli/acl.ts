/** `weir acl test`: what the access rules of a configuration come to. */
import { type AccessRequest, AccessRules } from "../auth/access_rules.ts";
import type { KnownClient } from "../auth/authenticator.ts";
import { readUsersFile } from "../auth/users_file.ts";
import type { Config } from "../config/config.ts";
import { loadConfig } from "../config/load.ts";
import { DEFAULT_LIMITS } from "../core/limits.ts";
import type { QoS } from "../core/message.ts";
import { readableBy } from "../core/queue/address.ts";
import { Refusal } from "../core/refusal.ts";
import { parseFilter } from "../core/subscription.ts";
import { quoted } from "../core/text.ts";
import { assertTopicFilter, assertTopicName } from "../core/topic.ts";
import { UsageError } from "./arguments.ts";
import { type Host, sources } from "./host.ts";

/** Says whether, and by which rule. Answers the exit code: 0 for allowed. */
export async function runAclTest(
  [action, topic]: readonly string[],
  options: ReadonlyMap<string, string>,
  host: Host,
): Promise<number> {
  const request = requestOf({ action, topic }, options);
  const { auth } = loadConfig({ ...sources(host), path: options.get("config") });
  const client = await clientOf(options, auth);
  const { rules, otherwise } = auth.acl;
  if (request.action === "publish" && /^\$SYS(\/|$)/.test(topic)) return tell(host, false, "$SYS is the broker's own");
  const { isAllowed, rule } = new AccessRules(rules, { otherwise }).decide(client, request);
  if (rule === undefined) return tell(host, isAllowed, `no rule decides, and auth.acl_default is ${otherwise}`);
  const { permission, action: about, filter, place } = rules[rule];
  return tell(host, isAllowed, `${place}: ${permission} ${about} ${quoted(filter)}`);
}

function tell(host: Host, isAllowed: boolean, why: string): number {
  host.print(`${isAllowed ? "allowed" : "denied"}: ${why}`);
  return isAllowed ? 0 : 1;
}

/** @throws {UsageError} for an action, a topic or a QoS that there is not */
function requestOf(
  { action, topic }: { action: string; topic: string },
  options: ReadonlyMap<string, string>,
): AccessRequest {
  const qos = Number(options.get("qos") ?? 0) as QoS;
  if (![0, 1, 2].includes(qos)) throw new UsageError("--qos is 0, 1 or 2");
  const bytes = new TextEncoder().encode(topic).length;
  try {
    if (action === "publish") {
      assertTopicName(topic, bytes, DEFAULT_LIMITS);
      return { action, topic, qos, retain: options.has("retain") };
    }
    if (action !== "subscribe") throw new UsageError(`expected publish or subscribe, found ${quoted(action)}`);
    if (options.has("retain")) throw new UsageError("--retain is about messages: it goes with publish");
    const filter = parseFilter(topic)?.filter;
    if (filter === undefined) throw new UsageError(`${quoted(topic)} is no shared subscription`);
    assertTopicFilter(filter, bytes, DEFAULT_LIMITS);
    return { action, filter: readableBy(filter), qos };
  } catch (error) {
    if (error instanceof Refusal) throw new UsageError(error.message);
    throw error;
  }
}

async function clientOf(options: ReadonlyMap<string, string>, auth: Config["auth"]): Promise<KnownClient> {
  const username = options.get("user");
  const groups = options.get("groups")?.split(",");
  return {
    clientId: options.get("client-id") ?? "test",
    username,
    groups: groups ?? (username === undefined ? undefined : await groupsOf(username, auth)),
    remoteAddress: options.get("address") ?? "127.0.0.1",
    listener: options.get("listener") ?? "tcp",
    protocolVersion: 5,
  };
}

async function groupsOf(username: string, { usersFile }: Config["auth"]): Promise<readonly string[] | undefined> {
  return usersFile === undefined ? undefined : (await readUsersFile(usersFile)).get(username)?.groups;
}

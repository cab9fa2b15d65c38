/** `weir acl test`: what the access rules of a configuration come to. */
import { isIP } from "node:net";
import { type AccessRequest, AccessRules } from "../auth/access_rules.ts";
import type { KnownClient } from "../auth/authenticator.ts";
import { readUsersFile } from "../auth/users_file.ts";
import { PLAIN_LISTENER } from "../config/listeners.ts";
import { type Config, doorsOf } from "../config/config.ts";
import { loadConfig } from "../config/load.ts";
import { didYouMean } from "../config/near.ts";
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
  const config = loadConfig({ ...sources(host), path: options.get("config") });
  const { auth } = config;
  const client = await clientOf(options, config);
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
  const text = options.get("qos") ?? "0";
  if (!/^[012]$/.test(text)) throw new UsageError(`--qos is 0, 1 or 2, found ${quoted(text)}`);
  const qos = Number(text) as QoS;
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

/** @throws {UsageError} for a client that cannot be: an answer about it would be one about nobody */
async function clientOf(options: ReadonlyMap<string, string>, config: Config): Promise<KnownClient> {
  const username = options.get("user");
  const groups = options.get("groups")?.split(",");
  const remoteAddress = options.get("address") ?? "127.0.0.1";
  if (isIP(remoteAddress) === 0) throw new UsageError(`--address needs an IP address, found ${quoted(remoteAddress)}`);
  return {
    clientId: options.get("client-id") ?? "test",
    username,
    groups: groups ?? (username === undefined ? undefined : await groupsOf(username, config.auth)),
    remoteAddress,
    listener: listenerOf(options.get("listener") ?? PLAIN_LISTENER, config),
    protocolVersion: 5,
  };
}

function listenerOf(name: string, config: Config): string {
  const known = new Set([PLAIN_LISTENER, ...doorsOf(config).map((door) => door.name)]);
  if (known.has(name)) return name;
  throw new UsageError(`the configuration opens no listener ${quoted(name)}${didYouMean(name, known)}`);
}

async function groupsOf(username: string, { usersFile }: Config["auth"]): Promise<readonly string[] | undefined> {
  return usersFile === undefined ? undefined : (await readUsersFile(usersFile)).get(username)?.groups;
}

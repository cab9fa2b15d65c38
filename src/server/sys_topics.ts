import type { Broker } from "../core/broker.ts";
import { Message, messageSource } from "../core/message.ts";
import type { Store } from "../core/ports.ts";
import { Topic } from "../core/topic.ts";
import type { Turn } from "../core/turn.ts";
import { encodeUtf8 } from "../wire/utf8.ts";
import type { RateLimiter } from "../protocol/rate_limiter.ts";
import { SysQueues } from "./sys_queues.ts";
import type { Traffic } from "./traffic.ts";

/** What the `$SYS` topics tell about. */
export interface SysSources {
  readonly broker: Broker;
  readonly turn: Turn;
  readonly traffic: Traffic;
  readonly version: string;
  readonly limiter: RateLimiter;
  readonly store: Store;
}

/** The state of the broker under `$SYS/broker/`, retained and with QoS 0; not stored. Numbers are decimal text, uptime is in seconds. What
 * Mosquitto tells as well goes by its names, too, for the dashboards that are there (docs/migrating.md). */
export class SysTopics {
  readonly #sources: SysSources;
  readonly #queues: SysQueues | null;
  #told: ReadonlySet<string> = new Set();

  constructor(sources: SysSources) {
    this.#sources = sources;
    const { queues } = sources.broker;
    this.#queues = queues === null ? null : new SysQueues(queues.queues);
  }

  /** Publishes everything; what there is no more of, like a queue that was deleted, is cleared. */
  publish(uptimeMs: number): void {
    const values = { ...sysValues(this.#sources, uptimeMs), ...this.#queues?.values(uptimeMs) };
    for (const [name, value] of Object.entries(values)) this.#tell(name, String(value));
    for (const name of this.#told) if (!(name in values)) this.#tell(name, "");
    this.#told = new Set(Object.keys(values));
  }

  #tell(name: string, text: string): void {
    const { broker, turn } = this.#sources;
    const path = `$SYS/broker/${name}`;
    const source = messageSource(encodeUtf8(text), { qos: 0, retain: true });
    broker.announce(new Message(new Topic(path, encodeUtf8(path)), source, Infinity), turn);
  }
}

/** The values by name. Refusals are told by their cause, each from the first on. */
function sysValues(
  { broker, turn, traffic, version, limiter, store }: SysSources,
  uptimeMs: number,
): Record<string, string | number> {
  const { statistics } = turn;
  const refusals = (...causes: Parameters<Traffic["countRefusal"]>[0][]) =>
    causes.reduce((sum, cause) => sum + (traffic.refusals.get(cause) ?? 0), 0);
  return {
    "version": `weir ${version}`,
    "uptime": Math.floor(uptimeMs / 1000),
    "clients/connected": statistics.clientsConnected,
    "clients/maximum": statistics.clientsConnectedMax,
    "clients/total": broker.sessions.size,
    "clients/disconnected": broker.sessions.size - statistics.clientsConnected,
    "clients/expired": statistics.sessionsExpired,
    "messages/received": traffic.packetsReceived,
    "messages/publish/received": statistics.messagesPublished,
    "messages/publish/sent": statistics.messagesDelivered,
    "messages/publish/dropped": statistics.messagesDropped,
    "publish/messages/received": statistics.messagesPublished,
    "publish/messages/sent": statistics.messagesDelivered,
    "publish/messages/dropped": statistics.messagesDropped,
    "bytes/received": traffic.bytesReceived,
    "bytes/sent": traffic.bytesSent,
    "subscriptions/count": statistics.subscriptions,
    "retained/count": broker.retained.count,
    "retained messages/count": broker.retained.count,
    "ratelimit/refused": limiter.counts.refused,
    "ratelimit/paused": limiter.counts.paused,
    "storage/full": turn.isStoreFull ? 1 : 0,
    ...store.bytes !== undefined && { "storage/bytes": store.bytes },
    "connections/accepted": traffic.connectionsAccepted,
    "connections/rejected": traffic.connectionsRejected,
    ...Object.fromEntries([...traffic.refusals].map(([cause, count]) => [`refusals/${cause}`, count])),
    "errors/protocol": refusals("protocol-error", "receive-maximum-exceeded", "topic-alias-invalid"),
    "errors/auth": refusals("bad-user-name-or-password", "bad-authentication-method"),
    "errors/authz": statistics.droppedByCause["not-authorized"],
    "errors/packet": refusals("malformed-packet", "packet-too-large"),
  };
}

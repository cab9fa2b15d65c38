import { anonymous, type AuthenticationMethod, type Authenticator } from "../auth/authenticator.ts";
import { DEFAULT_LIMITS, type Limits } from "../core/limits.ts";
import type { StoredWill } from "../core/mutation.ts";
import type { Store } from "../core/ports.ts";
import { DEFAULT_QUEUE, type QueueDefinition } from "../core/queue/definition.ts";
import type { EndpointSettings } from "../protocol/settings.ts";
import type { FailedLoginOptions } from "./login_guard.ts";
import type { RateLimitOptions } from "./metering.ts";
import { MemoryStore } from "../store/memory.ts";

/** What the MQTT edge announces and checks, beyond the limits; each has a sensible default. */
export interface ProtocolOptions {
  /** Largest packet accepted from a connected client, announced as Maximum Packet Size; 1 MiB. */
  readonly packetBytesMax?: number;
  /** Topic aliases that a client may set; 64. */
  readonly topicAliasMaximum?: number;
  /** Topic aliases set towards a client that allows them; 64. */
  readonly topicAliasMaximumOutbound?: number;
  /** Longer keep-alives are cut to this and announced; 0, the default, leaves the client's own. */
  readonly keepAliveSecondsMax?: number;
  /** Checks payloads that claim to be UTF-8; false. */
  readonly validatePayloadFormat?: boolean;
  /** Handed to clients that ask for Response Information; none. */
  readonly responseInformation?: string;
  /** Whether a client may leave its id to the broker; true. */
  readonly allowZeroLengthClientId?: boolean;
}

/** What holds for every connection. */
export interface ConnectionOptions {
  /** Largest CONNECT; 128 KiB. */
  readonly connectBytesMax?: number;
  /** From accept until CONNECT has been accepted; 10,000 ms. */
  readonly connectTimeoutMs?: number;
  /** A peer that takes no byte for this long is cut; 60,000 ms. */
  readonly writeTimeoutMs?: number;
  /** Unsent bytes of a connection above which QoS 0 is dropped; 1 MiB. */
  readonly outboxBytesMax?: number;
  /** Connections from one address; unlimited. */
  readonly connectionsPerAddressMax?: number;
}

/** How a broker is made. Everything has a default: `{}` is a broker in memory that lets everybody do everything. */
export interface BrokerOptions {
  /** What differs from {@link DEFAULT_LIMITS}. */
  readonly limits?: Partial<Limits>;
  /** What the MQTT edge announces and checks. */
  readonly protocol?: ProtocolOptions;
  /** What holds for every connection. */
  readonly connection?: ConnectionOptions;
  /** Where sessions, queues and retained messages are kept; in memory. */
  readonly store?: Store;
  /** Says who may connect; everybody may. */
  readonly authenticator?: Authenticator;
  /** Methods of enhanced authentication; none. */
  readonly authenticationMethods?: readonly AuthenticationMethod[];
  /** What a login that fails costs whoever tries; nothing. */
  readonly failedLogins?: FailedLoginOptions;
  /** How much clients may do in which time; without limit. */
  readonly rateLimits?: RateLimitOptions;
  /** Durable queues: how those are that nobody has defined, and which there are from the start. */
  readonly queues?: QueueBrokerOptions;
  /** Whether a client may publish a will that a restart has brought back, asked when it is due: {@link AccessRules.mayPublishStored} is one
   * answer. Without it every such will is published. */
  readonly mayPublishStored?: (will: StoredWill) => boolean;
  /** How often the `$SYS` topics are published, in milliseconds; 10,000. 0 is never. */
  readonly sysIntervalMs?: number;
  /** How long {@link WeirBroker.stop} waits for clients to take their last packets, in milliseconds; 30,000. */
  readonly shutdownTimeoutMs?: number;
}

/** The durable queues of a broker. */
export interface QueueBrokerOptions {
  /** What a queue is that says nothing else; {@link DEFAULT_QUEUE}. */
  readonly template?: Omit<QueueDefinition, "name">;
  /** Whether the first publish or subscription makes a queue; true. */
  readonly autoCreate?: boolean;
  /** Queues beyond which none is made; 1,000. */
  readonly queuesMax?: number;
  /** Groups of one queue beyond which none is made, those of clients that name none included; 10,000. */
  readonly groupsMax?: number;
  /** Queues that are there from the start. One that is there already becomes what is said here; its type and ordering stay. */
  readonly definitions?: readonly QueueDefinition[];
}

/** What differs from listener to listener. */
export interface ListenerPolicy {
  /** Connections at a time; 10,000. */
  readonly connectionsMax?: number;
  /** Disconnects clients that exceed the Receive Maximum (0x93); true. */
  readonly strictReceiveMaximum?: boolean;
  /** Cuts clients after 1.5 keep-alive intervals rather than 3; true. */
  readonly strictKeepAlive?: boolean;
  /** The MQTT versions spoken; all. */
  readonly protocol?: "auto" | "v3" | "v5";
}

/** {@link BrokerOptions} with every default filled in. */
export interface ResolvedOptions {
  readonly limits: Limits;
  readonly protocol: Required<ProtocolOptions>;
  readonly connection: Required<ConnectionOptions>;
  readonly store: Store;
  readonly queues: Required<QueueBrokerOptions>;
  readonly authenticator: Authenticator;
  readonly methods: ReadonlyMap<string, AuthenticationMethod>;
  readonly failedLogins: FailedLoginOptions;
  readonly rateLimits: RateLimitOptions;
  readonly mayPublishStored: ((will: StoredWill) => boolean) | undefined;
  readonly sysIntervalMs: number;
  readonly shutdownTimeoutMs: number;
}

/** Fills in the defaults. */
export function resolveOptions(options: BrokerOptions): ResolvedOptions {
  return {
    limits: resolveLimits(options.limits ?? {}),
    protocol: {
      packetBytesMax: 1024 * 1024,
      topicAliasMaximum: 64,
      topicAliasMaximumOutbound: 64,
      keepAliveSecondsMax: 0,
      validatePayloadFormat: false,
      responseInformation: "",
      allowZeroLengthClientId: true,
      ...options.protocol,
    },
    connection: {
      connectBytesMax: 128 * 1024,
      connectTimeoutMs: 10_000,
      writeTimeoutMs: 60_000,
      outboxBytesMax: 1024 * 1024,
      connectionsPerAddressMax: Infinity,
      ...options.connection,
    },
    store: options.store ?? new MemoryStore(),
    queues: {
      ...{ template: DEFAULT_QUEUE, autoCreate: true, queuesMax: 1_000, groupsMax: 10_000, definitions: [] },
      ...options.queues,
    },
    authenticator: options.authenticator ?? anonymous,
    methods: new Map((options.authenticationMethods ?? []).map((method) => [method.name, method])),
    failedLogins: options.failedLogins ?? {},
    rateLimits: options.rateLimits ?? {},
    mayPublishStored: options.mayPublishStored,
    sysIntervalMs: options.sysIntervalMs ?? 10_000,
    shutdownTimeoutMs: options.shutdownTimeoutMs ?? 30_000,
  };
}

/** A shorter maximum also holds for 3.1.1 sessions, unless those were given an expiry of their own. */
function resolveLimits(limits: Partial<Limits>): Limits {
  const resolved = { ...DEFAULT_LIMITS, ...limits };
  if (limits.sessionExpirySecondsV3 !== undefined) return resolved;
  return {
    ...resolved,
    sessionExpirySecondsV3: Math.min(resolved.sessionExpirySecondsV3, resolved.sessionExpirySecondsMax),
  };
}

/** What the endpoints of a listener go by. */
export function endpointSettings(options: ResolvedOptions, policy: ListenerPolicy): EndpointSettings {
  const { protocol = "auto", strictReceiveMaximum = true, strictKeepAlive = true } = policy;
  return {
    ...options.protocol,
    limits: options.limits,
    connectBytesMax: Math.min(options.connection.connectBytesMax, options.protocol.packetBytesMax),
    outboxBytesMax: options.connection.outboxBytesMax,
    versions: protocol === "v3" ? [3, 4] : protocol === "v5" ? [5] : [3, 4, 5],
    strictReceiveMaximum,
    strictKeepAlive,
  };
}

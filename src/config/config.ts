/** The configuration as the running broker sees it: every key decided, every unit in the name, nothing optional but what may be absent.
 * `load.ts` makes it from YAML and the environment; nothing else reads either. */
import type { AccessRule } from "../auth/access_rule.ts";
import type { ScramCredential } from "../auth/scram_credential.ts";
import type { Limits } from "../core/limits.ts";
import type { QueueDefinition } from "../core/queue/definition.ts";

/** Everything that a start of the broker needs to know. */
export interface Config {
  /** Where clients connect, in the order in which they are opened; at least one. */
  readonly listeners: readonly ListenerConfig[];
  /** The HTTP bridge; null when it is off. */
  readonly http: HttpConfig | null;
  /** The CoAP door; null when it is shut. */
  readonly coap: CoapConfig | null;
  readonly connection: ConnectionConfig;
  /** The limits of the core, already checked against each other. */
  readonly limits: Limits;
  readonly protocol: ProtocolConfig;
  readonly sys: SysConfig;
  readonly queues: QueuesConfig;
  readonly auth: AuthConfig;
  readonly rateLimits: RateLimitConfig;
  readonly log: LogConfig;
  readonly storage: StorageConfig;
  /** The file that it was read from; undefined without one. */
  readonly file: string | undefined;
  /** Every key as JSON, to tell what has changed between two readings. */
  readonly keys: ReadonlyMap<string, string>;
  /** How long a stop waits for connections to end before it cuts them. */
  readonly shutdownTimeoutMs: number;
}

/** Everything that is opened, whatever it speaks. */
export function doorsOf({ listeners, http, coap }: Config): (ListenerConfig | HttpConfig | CoapConfig)[] {
  return [...listeners, http, coap].filter((door) => door !== null);
}

/** One MQTT listener over TCP. */
export interface ListenerConfig {
  /** Unique; `tcp` is the one of `server.tcp_addr`. */
  readonly name: string;
  /** An address or a name; `::` is every address, IPv4 and IPv6. */
  readonly hostname: string;
  /** 0 lets the system choose. */
  readonly port: number;
  readonly connectionsMax: number;
  readonly strictReceiveMaximum: boolean;
  /** Whether a client is cut after 1.5 times its keep alive, or after 3 times. */
  readonly strictKeepAlive: boolean;
  /** `v3` is 3.1 and 3.1.1. */
  readonly protocol: ListenerProtocol;
  /** Null for a listener in clear text. */
  readonly tls: TlsFiles | null;
  /** Undefined for MQTT without WebSocket. */
  readonly webSocket?: { readonly path: string; readonly allowedOrigins: readonly string[] };
  /** Undefined where no PROXY header is expected. */
  readonly proxyProtocol?: { readonly trustedAddresses: readonly string[] };
}

/** The HTTP listener. */
export interface HttpConfig {
  readonly name: string;
  readonly hostname: string;
  readonly port: number;
  readonly connectionsMax: number;
  /** Null for a listener in clear text. */
  readonly tls: TlsFiles | null;
  /** Undefined where no PROXY header is expected. */
  readonly proxyProtocol?: { readonly trustedAddresses: readonly string[] };
  readonly bodyBytesMax: number;
  /** From the end of the headers to the end of the body. */
  readonly requestTimeoutMs: number;
  readonly subscriptionsMax: number;
  readonly heartbeatMs: number;
  readonly corsOrigins: readonly string[];
}

/** The CoAP listener over UDP. */
export interface CoapConfig {
  readonly name: string;
  readonly hostname: string;
  readonly port: number;
  readonly endpointsMax: number;
  readonly observationsMax: number;
  /** Of one address; Infinity when unlimited. */
  readonly requestsPerSecondMax: number;
  readonly bodyBytesMax: number;
  /** Whether credentials may come in the query of a URI. */
  readonly uriCredentials: boolean;
}

/** The files of a TLS listener, all PEM. */
export interface TlsFiles {
  readonly certFile: string;
  readonly keyFile: string;
  readonly clientAuth: "none" | "request" | "require";
  readonly caFile: string | undefined;
  readonly crlFile: string | undefined;
  readonly minVersion: "1.2" | "1.3";
}

/** The MQTT versions that a listener accepts. */
export type ListenerProtocol = "auto" | "v3" | "v5";

/** What holds for every connection, whichever listener it came through. */
export interface ConnectionConfig {
  /** Connections from one IP address; Infinity when unlimited. */
  readonly connectionsPerAddressMax: number;
  /** From accept until CONNECT has been accepted. */
  readonly connectTimeoutMs: number;
  /** Largest CONNECT packet. */
  readonly connectBytesMax: number;
  /** A peer that takes no byte for this long is cut. */
  readonly writeTimeoutMs: number;
  /** Unsent bytes of one connection above which QoS 0 to it is dropped and counted. */
  readonly outboxBytesMax: number;
  readonly tcpNoDelay: boolean;
}

/** What the MQTT edge decides and announces before the core is asked. */
export interface ProtocolConfig {
  /** Largest packet accepted, announced as Maximum Packet Size (0x95 above it). */
  readonly packetBytesMax: number;
  /** Aliases a client may set, announced as Topic Alias Maximum; 0 is none. */
  readonly topicAliasMaximum: number;
  /** Aliases set towards a client at most, however many it allows; 0 is none. */
  readonly topicAliasMaximumOutbound: number;
  /** A longer (or no) keep alive is cut to this and announced as Server Keep Alive; 0 leaves the client's own. */
  readonly keepAliveSecondsMax: number;
  /** Whether a payload that claims to be UTF-8 is checked (0x99 otherwise). */
  readonly validatePayloadFormat: boolean;
  /** Handed to clients that request Response Information; empty is none. */
  readonly responseInformation: string;
  /** Whether a client may leave its id to the broker (0x85, 0x02 in 3.1.1 otherwise). */
  readonly allowZeroLengthClientId: boolean;
}

/** The `$SYS` topics. */
export interface SysConfig {
  /** How often they are published; 0 is never. */
  readonly intervalMs: number;
}

/** Durable queues. */
export interface QueuesConfig {
  /** What a queue is that is made by its first use. */
  readonly template: Omit<QueueDefinition, "name">;
  readonly autoCreate: boolean;
  /** Queues, dead letters not counted, beyond which none is made by itself. */
  readonly queuesMax: number;
  /** Groups of one queue beyond which none is made by itself. */
  readonly groupsMax: number;
  /** Those that are there from the start. */
  readonly definitions: readonly QueueDefinition[];
}

/** What tells who a client is. */
export type SourceName = "certificate" | "jwt" | "users" | "external";

/** Who may connect. */
export interface AuthConfig {
  readonly allowAnonymous: boolean;
  /** In which order they are asked; each that is configured is among them. */
  readonly chain: readonly SourceName[];
  /** Which name of a client certificate is the user's; `none` looks at certificates as a lock only. */
  readonly certificateUsername: "none" | "cn" | "dns" | "uri" | "email";
  readonly scramUsers: readonly ScramUser[];
  /** Undefined for none. */
  readonly usersFile: string | undefined;
  readonly failedLogins: FailedLoginConfig;
  /** Undefined where tokens are not taken. */
  readonly jwt: JwtConfig | undefined;
  /** Undefined where nobody else is asked. */
  readonly external: ExternalConfig | undefined;
  readonly acl: AclConfig;
}

/** Who else knows the users, and how they are asked. */
export interface ExternalConfig {
  readonly url: string;
  readonly timeoutMs: number;
  readonly caFile: string | undefined;
  readonly tokenFile: string | undefined;
  readonly concurrentMax: number;
  readonly cacheEntriesMax: number;
  readonly cacheMs: number;
  readonly negativeCacheMs: number;
  readonly allowsCached: boolean;
  readonly staleMs: number;
}

/** What signs a token. */
export type JwtAlgorithm =
  | ("HS256" | "HS384" | "HS512" | "RS256" | "RS384" | "RS512" | "PS256" | "PS384" | "PS512")
  | ("ES256" | "ES384" | "ES512" | "EdDSA");

/** Which tokens are taken, and what they say. Empty text is none. */
export interface JwtConfig {
  /** One of the two. */
  readonly keyFile: string | undefined;
  readonly jwksUrl: string | undefined;
  readonly caFile: string | undefined;
  readonly jwksMaxAgeMs: number;
  /** At least one; all with secrets or all with public keys. */
  readonly algorithms: readonly JwtAlgorithm[];
  readonly issuer: string;
  readonly audience: string;
  readonly clockToleranceSeconds: number;
  readonly requireExpiry: boolean;
  readonly usernameClaim: string;
  readonly groupsClaim: string;
  readonly aclClaim: string;
  readonly matchUsername: boolean;
}

/** What clients may do. */
export interface AclConfig {
  /** Those of the configuration, then those of the file; the first that decides wins. */
  readonly rules: readonly AclRule[];
  /** Where the latter are; undefined without a file. */
  readonly file: string | undefined;
  /** What holds where none does. */
  readonly otherwise: "allow" | "deny";
}

/** One access rule. */
export interface AclRule extends AccessRule {
  /** Where it is written, `weir.yaml:12:7`. */
  readonly place: string;
}

/** What a login that fails costs. */
export interface FailedLoginConfig {
  readonly delayMs: number;
  /** Infinity is never. */
  readonly banAfter: number;
  readonly banMs: number;
  readonly banMsMax: number;
  readonly memoryMs: number;
  /** Addresses and ranges that are never banned. */
  readonly exempt: readonly string[];
}

/** A user with a SCRAM-SHA-256 credential. */
export interface ScramUser extends ScramCredential {
  readonly username: string;
}

/** How much clients may do in which time; what is absent is not limited. */
export interface RateLimitConfig {
  readonly action: "slow" | "refuse" | "disconnect";
  /** Addresses and ranges that are not counted. */
  readonly exempt: readonly string[];
  readonly connection: Omit<ScopedRateConfig, "client">;
  readonly message: ScopedRateConfig;
  readonly bytes: ScopedRateConfig;
  readonly subscribe: ScopedRateConfig;
}

/** By whom. */
export interface ScopedRateConfig {
  readonly address?: RateConfig;
  readonly client?: RateConfig;
  readonly user?: RateConfig;
}

export interface RateConfig {
  readonly perSecond: number;
  readonly burst: number;
}

/** What is logged and how. */
export interface LogConfig {
  readonly level: LogLevel;
  readonly format: "text" | "json";
}

export type LogLevel = "debug" | "info" | "warn" | "error";

/** Where sessions, queues and retained messages live. */
export interface StorageConfig {
  readonly type: "sqlite" | "memory";
  /** The folder of the database. */
  readonly path: string;
  /** What a commit survives: `full` the loss of power, `normal` and `off` the crash of the process. */
  readonly sync: "full" | "normal" | "off";
  /** Bytes of all that is kept in memory; undefined for what the program finds fit. */
  readonly memoryLimit: number | undefined;
}

/**
 * Weir, an MQTT 3.1.1 and 5.0 broker as a library: in memory, on SQLite or on a store of your own, over TCP or any pair of Web Streams.
 *
 * ```ts
 * import { WeirBroker } from "@weir/broker";
 *
 * await using broker = await WeirBroker.start();
 * const { port } = broker.listen({ port: 0 });
 * console.log(`MQTT clients connect to port ${port}`);
 * await broker.publish({ topic: "greeting", payload: "hello", retain: true });
 * for await (const message of broker.subscribe("greeting")) {
 *   console.log(new TextDecoder().decode(message.payload)); // hello
 *   break;
 * }
 * ```
 *
 * @module
 */
export type { AccessRule } from "./src/auth/access_rule.ts";
export {
  type AccessDecision,
  type AccessRequest,
  AccessRules,
  type AccessRulesOptions,
} from "./src/auth/access_rules.ts";
export type {
  Admission,
  AuthenticationMethod,
  Authenticator,
  Credentials,
  Exchange,
  ExchangeStep,
  KnownClient,
  PeerCertificate,
  PolicyOf,
  Verdict,
} from "./src/auth/authenticator.ts";
export { ALLOW_ALL } from "./src/auth/authenticator.ts";
export {
  deriveScramCredential,
  type ScramCredential,
  type ScramCredentialOptions,
} from "./src/auth/scram_credential.ts";
export { ScramSha256 } from "./src/auth/scram_sha_256.ts";
export type { FindCredential, ScramDecoy } from "./src/auth/scram_users.ts";
export { type CalloutOptions, CalloutSource } from "./src/auth/callout_source.ts";
export { type CertificateName, CertificateSource } from "./src/auth/certificate_source.ts";
export type { Denial, Identification, IdentitySource } from "./src/auth/identity.ts";
export { IdentityChain, type IdentityChainOptions } from "./src/auth/identity_chain.ts";
export { PasswordSource, type PasswordSourceOptions } from "./src/auth/password_source.ts";
export { PasswordUsers } from "./src/auth/password_users.ts";
export { RemoteKeys, type RemoteKeysOptions } from "./src/auth/remote_keys.ts";
export { hashPassword, type ScryptCost, type ScryptHash } from "./src/auth/scrypt_hash.ts";
export {
  KeysUnavailableError,
  readTokenKeys,
  type TokenHeader,
  type TokenKey,
  type TokenKeys,
  TokenKeysError,
} from "./src/auth/token_keys.ts";
export { TokenMethod } from "./src/auth/token_method.ts";
export { type TokenOptions, TokenSource } from "./src/auth/token_source.ts";
export type { UserEntry } from "./src/auth/user_list.ts";
export { readUsersFile, UsersFileError } from "./src/auth/users_file.ts";
export type { VerdictCacheOptions } from "./src/auth/verdict_cache.ts";
export type {
  Gateway,
  Guest,
  GuestCertificate,
  GuestCredentials,
  GuestDelivery,
  GuestFilter,
  GuestMessage,
  GuestProperties,
  GuestPublication,
  GuestSubscribeOptions,
  GuestSubscription,
  PublishOutcome,
  RetainedRange,
} from "./src/bridge/gateway.ts";
export {
  type GuestDeadLetter,
  type GuestDeadLetterChoice,
  type GuestDeadLetterRange,
  type GuestPullOptions,
  type GuestQueueMessage,
  type GuestQueues,
  type GuestSettlement,
  QueueFault,
} from "./src/bridge/queue_gateway.ts";
export type { HttpBridgeOptions } from "./src/bridge/http/handler.ts";
export type { DisconnectCause, DropCause, Happening, MessageFacts, QueueDropCause } from "./src/core/happening.ts";
export { type AdjustableLimits, DEFAULT_LIMITS, type Limits } from "./src/core/limits.ts";
export type { QoS } from "./src/core/message.ts";
export type {
  Mutation,
  StoredBacklog,
  StoredBody,
  StoredDelivery,
  StoredPage,
  StoredSession,
  StoredState,
  StoredSubscription,
  StoredWill,
  WillAuthor,
} from "./src/core/mutation.ts";
export type { Identity, Origin, PageRequest, Policy, PublishFacts, Store } from "./src/core/ports.ts";
export { DEFAULT_QUEUE } from "./src/core/queue/definition.ts";
export type { GroupStart } from "./src/core/queue/group_start.ts";
export type { QueueStatistics } from "./src/core/queue/queue_statistics.ts";
export type {
  QueueGroupMemberView,
  QueueGroupPlaceView,
  QueueGroupView,
  QueueLogView,
  QueuePartitionView,
  QueueView,
} from "./src/core/queue/views.ts";
export type {
  QueueAmount,
  QueueCompaction,
  QueueCompactionRequest,
  QueueCountRequest,
  QueueDelayPage,
  QueuePageRequest,
  QueueStore,
} from "./src/core/queue/ports.ts";
export type {
  QueueBackoff,
  QueueDefinition,
  QueueLimits,
  QueueOptions,
  QueueOrdering,
  QueueRetention,
  QueueType,
} from "./src/core/queue/definition.ts";
export type {
  QueueMutation,
  QueueSegment,
  StoredQueueConsumer,
  StoredQueueDelay,
  StoredQueueFailure,
  StoredQueueGroup,
  StoredQueueKey,
  StoredQueueLog,
  StoredQueuePosition,
  StoredQueues,
} from "./src/core/queue/mutation.ts";
export type { DeadLetterCause, DeadLetterOrigin, QueueEntry, QueueRecord } from "./src/core/queue/record.ts";
export type { ReplayOutcome, ReplayRefusal } from "./src/bridge/queue_gateway.ts";
export { type Outcome, Refusal, type RefusalCause } from "./src/core/refusal.ts";
export type { SubscriptionOptions } from "./src/core/subscription.ts";
export type { ListenCoapOptions } from "./src/server/coap_listener.ts";
export type { ReceivedMessage } from "./src/server/local_subscription.ts";
export type { FetchHandler, ListenHttpOptions } from "./src/server/http_listener.ts";
export type { ListenerAddress, ListenOptions, ListenTlsOptions } from "./src/server/listeners.ts";
export type { FailedLoginOptions } from "./src/server/login_guard.ts";
export type { OutgoingMessage, SubscribeOptions } from "./src/server/program_options.ts";
export { WeirBroker } from "./src/server/weir_broker.ts";
export type { RateLimitOptions } from "./src/server/metering.ts";
export type { RateLimits, ScopedRates } from "./src/protocol/rate_limiter.ts";
export type { Rate } from "./src/protocol/token_bucket.ts";
export type {
  BrokerOptions,
  ConnectionOptions,
  ListenerPolicy,
  ProtocolOptions,
  QueueBrokerOptions,
} from "./src/server/options.ts";
export type {
  BrokerQueues,
  ConsumeQueueOptions,
  DeadLetter,
  DeadLetterChoice,
  DeadLetterRange,
  QueueMessage,
  QueueReader,
} from "./src/server/queue_api.ts";
export { MemoryStore, type MemoryStoreOptions } from "./src/store/memory.ts";
export { openSqliteStore, type SqliteStoreOptions } from "./src/store/sqlite/open.ts";
export type { StorageSync } from "./src/store/sqlite/sqlite_store.ts";
export type { TlsOptions } from "./src/transport/tls.ts";
export type { ByteStreams } from "./src/transport/transport.ts";
export type { MessageProperties } from "./src/wire/properties.ts";
export type { ProxyProtocolOptions } from "./src/transport/proxy/trusted_proxies.ts";
export type { WebSocketOptions } from "./src/transport/websocket/upgrade.ts";

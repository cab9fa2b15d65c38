import type { Broker } from "../core/broker.ts";
import { messageSource } from "../core/message.ts";
import type { Identity, Origin, Policy, PublishFacts } from "../core/ports.ts";
import { Refusal } from "../core/refusal.ts";
import { quoted } from "../core/text.ts";
import type { Topic } from "../core/topic.ts";
import type { Turn } from "../core/turn.ts";
import type { Will, WillRights } from "../core/will.ts";
import type { ConnectPacket, WillPacket } from "../wire/packet.ts";
import { assertCapabilities, assertMayPublish, assertUtf8Payload, mayKeepSubscription } from "./admission.ts";
import type { Endpoint } from "./endpoint.ts";
import { AliasesOut } from "./topic_alias.ts";
import type { TopicTable } from "./topic_table.ts";

/** A CONNECT that may be authenticated: the client has its id. */
export interface Applicant {
  readonly origin: Origin;
  readonly connect: ConnectPacket;
  readonly clientId: string;
  /** As of its arrival. */
  readonly address: string | undefined;
}

/** What authentication has found out about a client. */
export interface Admitted {
  readonly username: string | undefined;
  readonly policy: Policy;
  /** Whether it still is so. Always when absent. */
  readonly holds?: () => boolean;
}

/** What the connection adds to its CONNECT. */
export interface Arrival extends Omit<Origin, "protocolVersion"> {
  /** What the address counts as where limits are those of addresses; undefined where it does not. */
  readonly address: string | undefined;
  /** Makes the id of a client that leaves it to the broker. */
  randomId(): string;
}

/** Turns a CONNECT into an attached session, in two steps: what can be told from the packet alone, then, once authentication has
 * answered, the rest. */
export class ConnectHandler {
  readonly #broker: Broker;
  readonly #topics: TopicTable;
  readonly #turn: Turn;

  constructor(broker: Broker, topics: TopicTable, turn: Turn) {
    this.#broker = broker;
    this.#topics = topics;
    this.#turn = turn;
  }

  /** Takes note of what the client can do and refuses what no authentication could change. `from` makes the id of a client that
   * leaves it to the broker.
   * @throws {Refusal} unsupported-protocol-version or client-identifier-not-valid */
  admit(endpoint: Endpoint, connect: ConnectPacket, from: Arrival): Applicant {
    const { settings } = endpoint;
    const greeting = endpoint.greeting!;
    endpoint.version = connect.version;
    endpoint.packetBytesMax = connect.maximumPacketBytes;
    endpoint.wantsProblemInformation = connect.requestProblemInformation;
    greeting.wantsResponseInformation = connect.requestResponseInformation;
    greeting.requestedKeepAliveSeconds = connect.keepAliveSeconds;
    endpoint.keepAliveSeconds = keepAlive(connect.keepAliveSeconds, endpoint);
    greeting.authenticationMethod = connect.authenticationMethod;
    const aliases = Math.min(connect.topicAliasMaximum, settings.topicAliasMaximumOutbound);
    if (aliases > 0) endpoint.aliasesOut = new AliasesOut(aliases);
    if (!settings.versions.includes(connect.version)) {
      throw new Refusal(
        "unsupported-protocol-version",
        `This listener does not speak protocol level ${connect.version}`,
      );
    }
    const { remoteAddress, listener, address } = from;
    const origin = { remoteAddress, listener, protocolVersion: connect.version };
    if (connect.clientId !== "") return { connect, clientId: connect.clientId, origin, address };
    const isRefused = !settings.allowZeroLengthClientId || (connect.version !== 5 && !connect.clean); // 3.1.1: [MQTT-3.1.3-8]
    if (isRefused || connect.version === 3) { // 3.1 asks for 1 to 23 characters
      throw new Refusal("client-identifier-not-valid", "Cannot connect without a client identifier");
    }
    greeting.assignedClientId = from.randomId();
    return { connect, clientId: greeting.assignedClientId, origin, address };
  }

  /** Attaches the client to its session; CONNACK is among the effects.
   * @throws {Refusal} for a will that may not be published, a session too many, or a client that does not take its CONNACK */
  attach(endpoint: Endpoint, applicant: Applicant, as: Admitted): void {
    const { connect, clientId, origin, address } = applicant;
    const { limits } = endpoint.settings;
    const identity: Identity = { clientId, username: as.username };
    const will = connect.will && this.#will(endpoint, connect.will, { as, identity });
    const wished = connect.version === 5
      ? connect.sessionExpirySeconds
      : connect.clean
      ? 0
      : limits.sessionExpirySecondsV3;
    endpoint.requestedExpirySeconds = wished;
    const granted = Math.min(wished, limits.sessionExpirySecondsMax);
    endpoint.greeting!.grantedExpirySeconds = granted;
    endpoint.policy = as.policy;
    endpoint.assertConnackFits();
    endpoint.session = this.#broker.attach({
      ...identity,
      address,
      peer: endpoint,
      origin,
      clean: connect.clean,
      expirySeconds: granted,
      receiveMaximum: connect.receiveMaximum,
      will,
      mayKeep: (filter, qos) => mayKeepSubscription(endpoint, identity, { filter, qos }),
    }, this.#turn);
  }

  /** The client has authenticated again: it may do what `as` says from now on, and so may its will. */
  renew(endpoint: Endpoint, as: Admitted): void {
    endpoint.policy = as.policy;
    const session = endpoint.session!;
    if (session.will === null) return;
    const { topic, source } = session.will;
    this.#broker.renewWill(session, willRights({ as, identity: session }, topic, source), this.#turn);
  }

  #will(endpoint: Endpoint, packet: WillPacket, who: Willing): Will {
    assertCapabilities(endpoint.settings.limits, packet); // [MQTT-3.2.2-12], [MQTT-3.2.2-13]
    const { payload, properties, qos, retain, delaySeconds, expirySeconds } = packet;
    if (/[+#]/.test(packet.topic)) {
      throw new Refusal(
        "topic-name-invalid",
        `Cannot accept the will topic ${quoted(packet.topic)}: it holds a wildcard`,
      );
    }
    const topic = this.#topics.of(packet.topic);
    const { as: { policy }, identity } = who;
    assertMayPublish({ policy, identity, hasQueues: this.#broker.queues !== null }, topic, packet);
    if (endpoint.settings.validatePayloadFormat && packet.payloadIsUtf8) assertUtf8Payload(payload, 0, payload.length);
    const source = messageSource(payload, { qos, retain, properties });
    return { topic, source, delaySeconds, expirySeconds, ...willRights(who, topic, packet) };
  }
}

/** Whose will it is. */
interface Willing {
  readonly identity: Identity;
  readonly as: Admitted;
}

/** Rules may change until a will is due, and users may go. */
function willRights({ identity, as: { policy, holds } }: Willing, topic: Topic, facts: PublishFacts): WillRights {
  const { qos, retain } = facts;
  const isAllowed = () => holds?.() !== false && policy.mayPublish(identity, topic.name, { qos, retain });
  return { isAllowed, author: policy.author };
}

/** The client's keep-alive, cut to the broker's maximum when there is one ([MQTT-3.1.2-21]). Clients before v5 could not be told. */
function keepAlive(seconds: number, endpoint: Endpoint): number {
  const maximum = endpoint.settings.keepAliveSecondsMax;
  return endpoint.version === 5 && maximum > 0 && (seconds === 0 || seconds > maximum) ? maximum : seconds;
}

import { Refusal } from "../core/refusal.ts";
import type { Topic } from "../core/topic.ts";
import type { Endpoint } from "./endpoint.ts";

/** The aliases that a client was given for topics, first come first served until its maximum is reached ([MQTT-3.1.2-26]). */
export class AliasesOut {
  readonly #aliases = new Map<string, number>();
  readonly #maximum: number;

  constructor(maximum: number) {
    this.#maximum = maximum;
  }

  /** The alias that the client knows for `topic`; 0 for none. */
  get(topic: Topic): number {
    return this.#aliases.get(topic.name) ?? 0;
  }

  /** The next alias, or 0 when all are taken or the topic is no longer than what an alias costs. */
  propose(topic: Topic): number {
    return topic.bytes.length > 3 && this.#aliases.size < this.#maximum ? this.#aliases.size + 1 : 0;
  }

  /** The client has been told. */
  set(topic: Topic, alias: number): void {
    this.#aliases.set(topic.name, alias);
  }
}

/** What a client's alias stands for ([MQTT-3.3.2-8], [MQTT-3.3.2-12]).
 * @throws {Refusal} topic-alias-invalid above the announced maximum, protocol-error for one that was not set. */
export function aliasedTopic(endpoint: Endpoint, alias: number): Topic {
  assertAlias(endpoint, alias);
  const topic = endpoint.aliasesIn?.[alias];
  if (topic === undefined) {
    throw new Refusal("protocol-error", `Cannot resolve topic alias ${alias}: it has not been set`);
  }
  return topic;
}

/** Sets or replaces what a client's alias stands for.
 * @throws {Refusal} topic-alias-invalid above the announced maximum. */
export function setAlias(endpoint: Endpoint, alias: number, topic: Topic): void {
  assertAlias(endpoint, alias);
  (endpoint.aliasesIn ??= [])[alias] = topic;
}

function assertAlias(endpoint: Endpoint, alias: number): void {
  const maximum = endpoint.settings.topicAliasMaximum;
  if (alias <= maximum) return;
  throw new Refusal("topic-alias-invalid", `Cannot accept topic alias ${alias}: the maximum is ${maximum}`);
}

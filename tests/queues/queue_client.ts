import type { IPublishPacket } from "mqtt-packet";
import type { BrokerOptions } from "../../src/server/options.ts";
import { TestBroker } from "../support/broker.ts";
import type { TestClient } from "../support/client.ts";

/** Retries that a test does not have to wait for. */
export const AT_ONCE = { initialMs: 0, maxMs: 0, multiplier: 1, jitter: 0 };

/** A broker whose queue `tasks` is as given. */
export async function queueBroker(
  definition: Parameters<TestBroker["broker"]["queues"]["create"]>[0] = { name: "tasks" },
  options: BrokerOptions = {},
): Promise<TestBroker> {
  const broker = await TestBroker.start(options);
  await broker.broker.queues.create({ backoff: AT_ONCE, ...definition });
  return broker;
}

/** Publishes with QoS 1 and user properties; answers the reason code of PUBACK. */
export function put(
  client: TestClient,
  topic: string,
  payload: string,
  userProperties: Record<string, string | string[]> = {},
): Promise<number> {
  const properties = Object.keys(userProperties).length === 0 ? {} : { properties: { userProperties } };
  return client.publish(topic, payload, { qos: 1, ...properties });
}

/** What a delivery says in its user properties, those that come more than once as lists. */
export function propertiesOf(publish: IPublishPacket): Record<string, string | string[]> {
  return { ...publish.properties?.userProperties };
}

/** `payload`, `delivery-count` and the rest that most tests look at. */
export function facts(publish: IPublishPacket) {
  const { "message-id": id, "delivery-count": count, "group-id": group } = propertiesOf(publish);
  return { payload: `${publish.payload}`, id: id as string, count: Number(count), group };
}

/** Settles by publishing to a verb; answers the reason code of PUBACK. */
export function settle(
  client: TestClient,
  verb: string,
  id: string,
  more: Record<string, string> = {},
): Promise<number> {
  const [queue] = id.split(":");
  return put(client, `$queue/${queue}/$${verb}`, "", { "message-id": id, ...more });
}

/** What the frozen databases of earlier versions hold. */
import { body, delivery, retained, session, subscription, will } from "../contract/mutations.ts";
import { appended, consumer, entry, failed, group, log, queue, settled } from "../contract/queue_mutations.ts";

/** What the database of every fixture holds: some of everything, made by the Weir of its time. A schema that can hold more adds it to
 * its own fixture's expectation, never to an earlier one. */
export const HELD = [
  session("alice", { username: "al", expirySeconds: 0xffff_ffff, offlineSince: 1_700_000_000_123 }),
  session("bob"),
  subscription("alice", "a/#", { qos: 2, noLocal: true, retainHandling: 2, subscriptionId: 7 }),
  subscription("bob", "$share/g/a", { qos: 1, retainAsPublished: true }),
  body(1, { qos: 2, retain: true, properties: Uint8Array.of(1, 1), expiresAt: 4_000_000_000_000 }),
  delivery("alice", 10, 1, { qos: 2, packetId: 3, released: true }),
  delivery("bob", 11, 1, { subscriptionIds: [7, 9], shared: "$share/g/a" }),
  body(2, { topic: "é/☕", payload: new Uint8Array(5_000).fill(9) }),
  delivery("alice", 12, 2, { retain: true, isReplay: true }),
  body(3, { retain: true }),
  retained("t/3", 3),
  will("bob", { topic: "gone", qos: 1, retain: true, delaySeconds: 5, expirySeconds: 6 }),
  { kind: "packet-id-received", clientId: "bob", packetId: 65_535 },
] as const;

/** What the database of a fixture holds beside it from version 2 on. */
export const HELD_QUEUES = [
  queue(1, { name: "orders", topics: ["o/#"], deliveryLimit: Infinity }),
  queue(2, { name: "orders/$dlq", type: "stream" }),
  log(3, 1),
  log(4, 1, 1, 9),
  appended(3, 0, {
    key: "k",
    messageKey: "m",
    properties: Uint8Array.of(1, 1),
    payload: new Uint8Array(5_000).fill(9),
  }),
  appended(3, 7, { topic: "$queue/orders/é", expiresAt: 4_000_000_000_000 }),
  appended(4, 8, { priority: 9, group: "g" }),
  group(5, 1, { filter: "a/#", clientId: "alice", idleSince: 1_700_000_000_123 }),
  settled({ groupId: 5, logId: 3 }, [5, 300], 1),
  failed({ groupId: 5, logId: 4 }, 8, { failures: 3 }),
  { kind: "queue-delayed", delayId: 6, queueId: 1, partition: 1, dueAt: 1_700_000_000_456, entry: entry() },
  { kind: "queue-key-noted", queueId: 1, messageKey: "m", at: 1_700_000_000_789 },
  consumer("alice", "$queue/orders/#", { qos: 2, prefetch: 5 }),
] as const;

/** Where the frozen database of a version lies, as SQL. */
export function fixture(version: number): URL {
  return new URL(`./fixtures/version_${version}.sql`, import.meta.url);
}

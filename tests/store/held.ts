/** What the frozen databases of earlier versions hold. */
import { body, delivery, retained, session, subscription, will } from "../contract/mutations.ts";

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

/** Where the frozen database of a version lies, as SQL. */
export function fixture(version: number): URL {
  return new URL(`./fixtures/version_${version}.sql`, import.meta.url);
}

// What one delivery costs in the session: offered, sent, settled. Every figure is for 100 messages.
import type { QoS } from "../../src/core/message.ts";
import type { RouteEntry } from "../../src/core/route.ts";
import type { Session } from "../../src/core/session.ts";
import { messageOf, sessionOf, turnOf } from "../core/building.ts";

const MESSAGES = 100;

function entryOf(session: Session, qos: QoS): RouteEntry {
  return { session, qos, retainAsPublished: false, subscriptionIds: null, noLocalAmong: null, group: null };
}

for (const qos of [0, 1, 2] as const) {
  const turn = turnOf();
  const session = sessionOf("receiver", { window: MESSAGES });
  const entry = entryOf(session, qos);
  const message = messageOf("building/12/floor/3/room/42", { payload: "x".repeat(64), qos });
  const ids = new Uint16Array(MESSAGES);
  Deno.bench({ name: `offer and settle, QoS ${qos}`, group: "session" }, () => {
    for (let index = 0; index < MESSAGES; index++) session.offer(message, entry, turn);
    for (let index = 0; index < turn.effects.length; index++) ids[index] = turn.effects.sends[index].packetId;
    turn.effects.clear();
    if (qos === 0) return;
    for (const id of ids) {
      if (qos === 2) session.release(id, turn);
      session.settle(id, turn);
    }
    turn.effects.clear();
  });
}

const turn = turnOf();
const slow = sessionOf("slow", { window: 1 });
const entry = entryOf(slow, 1);
const message = messageOf("building/12/floor/3/room/42", { payload: "x".repeat(64), qos: 1 });
Deno.bench({ name: "offer, wait in the queue and settle, QoS 1, window 1", group: "session" }, () => {
  for (let index = 0; index < MESSAGES; index++) slow.offer(message, entry, turn);
  for (let index = 0; index < turn.effects.length; index++) slow.settle(turn.effects.sends[index].packetId, turn);
  turn.effects.clear();
});

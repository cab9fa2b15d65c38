import assert from "node:assert/strict";
import fc from "fast-check";
import type { Session } from "../../src/core/session.ts";
import { SharedGroup } from "../../src/core/shared.ts";
import { Subscription } from "../../src/core/subscription.ts";
import { messageOf, optionsOf, sessionOf, StubPeer, turnOf } from "./building.ts";

const FILTER = "$share/g/a";

function groupOf(...sessions: Session[]): SharedGroup {
  const group = new SharedGroup(FILTER);
  for (const session of sessions) group.set(new Subscription(session, optionsOf(FILTER)));
  return group;
}

function chosen(group: SharedGroup, times: number): string {
  return Array.from({ length: times }, () => group.choose()?.session.clientId ?? "-").join("");
}

Deno.test("each message goes to one member, by turns", () => {
  assert.equal(chosen(groupOf(sessionOf("a"), sessionOf("b"), sessionOf("c")), 7), "abcabca");
});

Deno.test("members that are not connected are passed over while one is", () => {
  const [a, b, c] = ["a", "b", "c"].map((name) => sessionOf(name, { expirySeconds: 60 }));
  const group = groupOf(a, b, c);
  b.peer = null;
  assert.equal(chosen(group, 4), "acac");
  a.peer = c.peer = null;
  assert.equal(chosen(group, 3).split("").sort().join(""), "abc", "all of them wait: the messages are kept, by turns");
  b.peer = new StubPeer("b");
  assert.equal(chosen(group, 2), "bb");
});

Deno.test("a member that is gone for good gets nothing, and nobody is nobody", () => {
  const gone = sessionOf("a", { connected: false });
  assert.equal(groupOf(gone).choose(), undefined);
  assert.equal(groupOf().choose(), undefined);
});

Deno.test("members with room come first: a full window or a congested connection is spared", () => {
  const full = sessionOf("a", { window: 1 });
  const free = sessionOf("b");
  const group = groupOf(full, free);
  const member = group.choose()!;
  assert.equal(member.session, full);
  full.offer(messageOf("a", { qos: 1 }), member, turnOf());
  assert.equal(chosen(group, 3), "bbb");
  (free.peer as StubPeer).congested = true;
  assert.equal(
    chosen(group, 4).split("").sort().join(""),
    "aabb",
    "nobody has room: those that are connected, by turns",
  );
});

Deno.test("a member's new options stand in the place of the former ones", () => {
  const a = sessionOf("a");
  const group = groupOf(a);
  group.set(new Subscription(a, optionsOf(FILTER, { qos: 1, subscriptionId: 9, retainAsPublished: true })));
  assert.equal(group.size, 1);
  const member = group.choose()!;
  assert.deepEqual([member.qos, member.subscriptionIds, member.retainAsPublished], [1, [9], true]);
  assert.equal(member.group, group);
});

Deno.test("chooseConnected and hasConnected look past the one that leaves", () => {
  const [a, b] = [sessionOf("a", { expirySeconds: 60 }), sessionOf("b", { expirySeconds: 60 })];
  const group = groupOf(a, b);
  assert.ok(group.hasConnected(a));
  assert.equal(group.chooseConnected(a)!.session, b);
  b.peer = null;
  assert.ok(!group.hasConnected(a));
  assert.equal(group.chooseConnected(a), undefined);
});

Deno.test("whoever comes and goes, turns stay fair: between two turns of one, no other has two", () => {
  const step = fc.record({ member: fc.nat(4), isMember: fc.boolean(), isConnected: fc.boolean(), rounds: fc.nat(6) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const sessions = ["a", "b", "c", "d", "e"].map((name) => sessionOf(name, { expirySeconds: 60 }));
      const group = new SharedGroup(FILTER);
      const members = new Set<Session>();
      for (const { member, isMember, isConnected, rounds } of steps) {
        const session = sessions[member];
        session.peer = isConnected ? new StubPeer(session.clientId) : null;
        if (isMember) group.set(new Subscription(session, optionsOf(FILTER)));
        else group.delete(session);
        if (isMember) members.add(session);
        else members.delete(session);
        assert.equal(group.size, members.size);
        const connected = [...members].filter(({ peer }) => peer !== null);
        const fit = connected.length > 0 ? connected : [...members];
        const turns = Array.from({ length: rounds * fit.length }, () => group.choose()!.session);
        for (const each of fit) assert.equal(turns.filter((turn) => turn === each).length, rounds);
      }
    }),
  );
});

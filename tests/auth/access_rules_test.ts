/** Who may do what: every operator of a rule, what a filter covers, and names that try to be more than a name. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { type AccessRequest, type AccessRule, AccessRules, type KnownClient } from "../../mod.ts";
import { covers, overlaps } from "../../src/auth/filter_cover.ts";
import { globMatches } from "../../src/auth/access_rule.ts";
import { filterMatches } from "../../src/core/topic.ts";
import { TestBroker } from "../support/broker.ts";

const ALICE: KnownClient = {
  clientId: "dev-1",
  username: "alice",
  groups: ["ops"],
  remoteAddress: "::ffff:192.0.2.7",
  listener: "tcp",
  protocolVersion: 5,
};

function allow(filter: string, more: Partial<AccessRule> = {}): AccessRule {
  return { permission: "allow", action: "all", filter, ...more };
}

function deny(filter: string, more: Partial<AccessRule> = {}): AccessRule {
  return { ...allow(filter, more), permission: "deny" };
}

function publish(topic: string, facts: { qos?: 0 | 1 | 2; retain?: boolean } = {}): AccessRequest {
  return { action: "publish", topic, qos: 0, retain: false, ...facts };
}

function subscribe(filter: string, qos: 0 | 1 | 2 = 0): AccessRequest {
  return { action: "subscribe", filter, qos };
}

/** Rules, request, and the rule that decides (none: denied); `client` differs from alice. */
const TABLE: readonly [AccessRule[], AccessRequest, boolean, number | undefined, Partial<KnownClient>?][] = [
  [[], publish("a"), false, undefined],
  [[allow("a", { action: "publish" })], publish("a"), true, 0],
  [[allow("a", { action: "publish" })], subscribe("a"), false, undefined],
  [[allow("a", { action: "subscribe" })], publish("a"), false, undefined],
  [[deny("a"), allow("#")], publish("a"), false, 0],
  [[allow("#"), deny("a")], publish("a"), true, 0],
  [[allow("a", { action: "publish", retain: false })], publish("a", { retain: true }), false, undefined],
  [[deny("#", { action: "publish", retain: true }), allow("#")], publish("a", { retain: true }), false, 0],
  [[allow("a", { qosMax: 1 })], publish("a", { qos: 1 }), true, 0],
  [[allow("a", { qosMax: 1 })], publish("a", { qos: 2 }), false, undefined],
  [[allow("a", { qosMax: 1 })], subscribe("a", 2), false, undefined],
  [[allow("a", { user: "alice" })], publish("a"), true, 0],
  [[allow("a", { user: "alice" })], publish("a"), false, undefined, { username: undefined }],
  [[allow("a", { group: "ops" })], publish("a"), true, 0],
  [[allow("a", { group: "ops" })], publish("a"), false, undefined, { groups: undefined }],
  [[allow("a", { clientId: "dev-*" })], publish("a"), true, 0],
  [[allow("a", { clientId: "dev-*" })], publish("a"), false, undefined, { clientId: "other" }],
  [[allow("a", { address: "192.0.2.0/24" })], publish("a"), true, 0],
  [[allow("a", { address: "192.0.2.0/24" })], publish("a"), false, undefined, { remoteAddress: "192.0.3.1" }],
  [[allow("a", { address: "192.0.2.0/24" })], publish("a"), false, undefined, { remoteAddress: "" }],
  [[allow("a", { address: "2001:db8::/32" })], publish("a"), true, 0, { remoteAddress: "2001:db8::1" }],
  [[allow("a", { listener: "tls" })], publish("a"), false, undefined],
  [[allow("a", { anonymous: false })], publish("a"), true, 0],
  [[deny("a", { anonymous: true }), allow("a")], publish("a"), false, 0, { username: undefined }],
  [[allow("a/+")], subscribe("a/#"), false, undefined],
  [[allow("a/+")], subscribe("#"), false, undefined],
  [[allow("a/#")], subscribe("a"), true, 0],
  [[deny("secret/#"), allow("#")], subscribe("#"), false, 0],
  [[deny("secret/#"), allow("#")], subscribe("+/x"), false, 0],
  [[deny("secret/#"), allow("#")], subscribe("open/#"), true, 1],
  [[allow("#")], subscribe("$SYS/#"), false, undefined],
  [[allow("+/x")], publish("$queue/x"), false, undefined],
  [[allow("$SYS/#")], subscribe("$SYS/#"), true, 0],
  [[allow("own/%u/%c/#")], publish("own/alice/dev-1/x"), true, 0],
  [[allow("own/%u/#")], publish("own/bob/x"), false, undefined],
  [[allow("own/u-%u")], publish("own/u-alice"), true, 0],
];

for (const [rules, request, isAllowed, rule, differing] of TABLE) {
  Deno.test(`${JSON.stringify([rules, request, differing ?? {}])}: ${isAllowed}`, () => {
    assert.deepEqual(new AccessRules(rules).decide({ ...ALICE, ...differing }, request), { isAllowed, rule });
  });
}

for (const name of ["+", "#", "a/b", "", "a+", "x#", "/"]) {
  Deno.test(`the name ${JSON.stringify(name)} opens nothing by %u or %c, and gets round no rule that denies`, () => {
    const client = { ...ALICE, username: name, clientId: name };
    for (const mark of ["%u", "%c"]) {
      const own = new AccessRules([allow(`own/${mark}/#`)]);
      for (const topic of ["own/x", `own/${name}/x`, "own//x"]) {
        assert.equal(own.decide(client, publish(topic.replace(/[+#]/g, "x"))).isAllowed, false);
        assert.equal(own.decide(client, subscribe(topic)).isAllowed, false);
      }
      const closed = new AccessRules([deny(`own/${mark}/secret`), allow("#")]);
      assert.equal(closed.decide(client, publish("own/a/b/secret")).isAllowed, false);
      assert.equal(closed.decide(client, publish("open")).isAllowed, true);
    }
  });
}

Deno.test("a name that begins with $ opens none of the broker's own topics", () => {
  const rules = new AccessRules([allow("%u/#")]);
  assert.equal(rules.decide({ ...ALICE, username: "$SYS" }, subscribe("$SYS/#")).isAllowed, false);
});

Deno.test("a rule that makes no sense is refused, and the rules before it stay", () => {
  const rules = new AccessRules([allow("a")]);
  const wrong: AccessRule[] = [
    allow(""),
    allow("a/#/b"),
    allow("a+"),
    allow("a", { address: "10.0.0.0/33" }),
    allow("a", { address: "example.com" }),
    allow("a", { retain: true }),
    deny("a", { qosMax: 1 }),
  ];
  for (const rule of wrong) assert.throws(() => rules.replace([allow("#"), rule]), RangeError);
  assert.equal(rules.decide(ALICE, publish("a")).isAllowed, true);
  assert.equal(rules.decide(ALICE, publish("b")).isAllowed, false);
});

const LEVEL = fc.constantFrom("a", "b", "", "+");
const FILTER = fc.tuple(fc.constantFrom("a", "$x", "+", "b"), fc.array(LEVEL, { maxLength: 2 }), fc.boolean()).map((
  [first, rest, isOpen],
) => [first, ...rest, ...(isOpen ? ["#"] : [])].join("/"));
const ANY_FILTER = fc.oneof(FILTER, fc.constant("#"));
/** "z" stands for any level that no filter names; five levels are one more than any filter has. */
const TOPICS = topicsOf(5);

function topicsOf(depth: number): string[] {
  const all = ["a", "b", "", "z", "$x"];
  let last = all;
  for (let i = 1; i < depth; i++) {
    all.push(...(last = last.flatMap((one) => ["a", "b", "", "z"].map((l) => `${one}/${l}`))));
  }
  return all.filter((topic) => topic !== "");
}

Deno.test("a filter covers and overlaps another exactly as the topics that they match say", () => {
  fc.assert(
    fc.property(ANY_FILTER, ANY_FILTER, (outer, inner) => {
      const matched = TOPICS.filter((topic) => filterMatches(inner, topic));
      const [one, other] = [outer.split("/"), inner.split("/")];
      assert.equal(covers(one, other), matched.every((topic) => filterMatches(outer, topic)));
      assert.equal(overlaps(one, other), matched.some((topic) => filterMatches(outer, topic)));
    }),
    { numRuns: 300 },
  );
});

Deno.test("a subscription that is allowed has no topic that is not", () => {
  const rule = fc.record({ filter: ANY_FILTER, permission: fc.constantFrom("allow" as const, "deny" as const) });
  fc.assert(
    fc.property(fc.array(rule, { maxLength: 4 }), ANY_FILTER, (list, filter) => {
      const rules = new AccessRules(list.map((each) => ({ ...each, action: "subscribe" })));
      if (!rules.decide(ALICE, subscribe(filter)).isAllowed) return;
      for (const topic of TOPICS) {
        if (filterMatches(filter, topic)) assert.ok(rules.decide(ALICE, subscribe(topic)).isAllowed, topic);
      }
    }),
    { numRuns: 200 },
  );
});

Deno.test("a star stands for any characters, and a pattern of many does not take for ever", () => {
  assert.deepEqual(["a*", "*a", "a*c*e", "*", "a*a"].map((p) => globMatches(p, "abcde")), [
    true,
    false,
    true,
    true,
    false,
  ]);
  assert.equal(globMatches("a*a", "a"), false);
  assert.equal(globMatches("*a".repeat(2_000) + "b", "a".repeat(20_000)), false);
});

Deno.test("a policy answers as the rules do, also from memory, and at once by new rules", () => {
  const rules = new AccessRules([allow("a/+", { qosMax: 1 }), allow("b", { action: "publish", retain: true })]);
  const policy = rules.policyOf(ALICE);
  for (let round = 0; round < 3; round++) {
    for (let index = 0; index < 400; index++) {
      for (const qos of [0, 1, 2] as const) {
        assert.equal(policy.mayPublish(ALICE, `a/${index}`, { qos, retain: false }), qos < 2);
      }
    }
    assert.equal(policy.mayPublish(ALICE, "b", { qos: 2, retain: true }), true);
    assert.equal(policy.mayPublish(ALICE, "b", { qos: 2, retain: false }), false);
  }
  rules.replace([deny("#")]);
  assert.equal(policy.mayPublish(ALICE, "a/1", { qos: 0, retain: false }), false);
  assert.equal(policy.maySubscribe(ALICE, "a/1", 0), false);
});

Deno.test("over the wire: 0x87 for a filter, a shared filter and a message that the rules do not allow", async () => {
  const rules = new AccessRules([allow("own/%c/#")]);
  await using broker = await TestBroker.start({
    authenticator: {
      authenticate: (client) => ({ username: client.username, policy: rules.policyOf(client) }),
    },
  });
  const client = await broker.connect({ clientId: "one" });
  assert.equal(await client.publish("own/one/x", "x", { qos: 1 }), 0x10);
  assert.equal(await client.publish("own/two/x", "x", { qos: 1 }), 0x87);
  assert.equal(await client.subscribe("own/one/#", { qos: 1 }), 1);
  for (const filter of ["#", "own/+/#", "$share/g/#", "$share/g/own/two/#"]) {
    assert.equal(await client.subscribe(filter, { qos: 1 }), 0x87);
  }
});

Deno.test("a will whose right was taken away meanwhile is dropped, and the drop is told", async () => {
  const rules = new AccessRules([allow("#")]);
  await using broker = await TestBroker.start({
    authenticator: { authenticate: (client) => ({ username: client.username, policy: rules.policyOf(client) }) },
  });
  const happenings = broker.broker.happenings().getReader();
  const will = { topic: "last/words", payload: "x", qos: 1, retain: true } as never;
  const client = await broker.connect({ clientId: "one", will });
  rules.replace([deny("last/#")]);
  client.close();
  for (;;) {
    const { value } = await happenings.read();
    assert.notEqual(value?.kind, "will-published");
    if (value?.kind !== "message-dropped") continue;
    assert.deepEqual(value, {
      kind: "message-dropped",
      clientId: "one",
      topic: "last/words",
      cause: "not-authorized",
    });
    break;
  }
  await happenings.cancel();
});

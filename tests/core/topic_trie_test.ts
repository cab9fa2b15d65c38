import assert from "node:assert/strict";
import fc from "fast-check";
import type { QoS } from "../../src/core/message.ts";
import { type Route, routeEntry } from "../../src/core/route.ts";
import { RouteCache } from "../../src/core/route_cache.ts";
import { Subscribers } from "../../src/core/subscribers.ts";
import { parseFilter, Subscription, type SubscriptionOptions } from "../../src/core/subscription.ts";
import type { Session } from "../../src/core/session.ts";
import { filterMatches, type Topic } from "../../src/core/topic.ts";
import { TopicTrie } from "../../src/core/topic_trie.ts";
import { optionsOf, sessionOf, topicOf } from "./building.ts";
import { anyFilter, anyTopic, matchesByExpression } from "./matcher.ts";

const SESSIONS = ["p", "q", "r"] as const;

/** A filter, now and then a shared one, of few shapes. */
const anySubscribable = fc.oneof(
  { weight: 3, arbitrary: anyFilter },
  { weight: 1, arbitrary: fc.tuple(fc.constantFrom("g", "h"), anyFilter).map(([group, f]) => `$share/${group}/${f}`) },
);

const anyOptions = fc.record({
  filter: anySubscribable,
  qos: fc.constantFrom<QoS>(0, 1, 2),
  retainAsPublished: fc.boolean(),
  noLocal: fc.boolean(),
  subscriptionId: fc.nat(3),
}).map((options): SubscriptionOptions => optionsOf(options.filter, options));

type Step =
  | { readonly kind: "add"; readonly session: number; readonly options: SubscriptionOptions }
  | { readonly kind: "delete"; readonly session: number; readonly nth: number }
  | { readonly kind: "match"; readonly topic: string; readonly keeps: boolean };

const anyStep: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant("add" as const), session: fc.nat(2), options: anyOptions }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("delete" as const), session: fc.nat(2), nth: fc.nat(20) }) },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant("match" as const), topic: anyTopic, keeps: fc.boolean() }),
  },
);

/** The trie beside a plain list of subscriptions, and the topics that keep their cached routes. */
class Pair {
  readonly trie = new TopicTrie();
  readonly sessions = SESSIONS.map((name) => sessionOf(name));
  readonly list = new Map<string, Subscription>();
  readonly topics = new Map<string, Topic>();

  run(step: Step): void {
    switch (step.kind) {
      case "add": {
        const subscription = new Subscription(this.sessions[step.session], step.options);
        this.trie.add(parseFilter(step.options.filter)!, subscription);
        this.list.set(`${step.session} ${step.options.filter}`, subscription);
        return;
      }
      case "delete": {
        const own = [...this.list].filter(([key]) => key.startsWith(`${step.session} `));
        if (own.length === 0) {
          return this.trie.delete({ group: "", filter: "never/there" }, this.sessions[step.session]);
        }
        const [key, { session, options }] = own[step.nth % own.length];
        this.trie.delete(parseFilter(options.filter)!, session);
        this.list.delete(key);
        return;
      }
      case "match":
        this.check(step.topic, step.keeps);
    }
  }

  /** A topic object is asked again and again, as that of a busy publisher is, or is a new one of the same name. */
  check(name: string, keeps: boolean): void {
    const topic = keeps ? this.topics.get(name) ?? topicOf(name) : topicOf(name);
    if (keeps) this.topics.set(name, topic);
    assert.deepEqual(inPlainWords(this.trie.match(topic)), this.#expected(name), `route of "${name}"`);
  }

  #expected(topic: string): { entries: string[]; groups: string[] } {
    const bySession = new Map<Session, Subscription[]>();
    const groups = new Map<string, string[]>();
    for (const subscription of this.list.values()) {
      const { group, filter } = parseFilter(subscription.options.filter)!;
      const matches = matchesByExpression(filter, topic);
      assert.equal(filterMatches(filter, topic), matches);
      if (!matches) continue;
      const { session, options } = subscription;
      if (group === "") bySession.set(session, [...bySession.get(session) ?? [], subscription]);
      else groups.set(options.filter, [...groups.get(options.filter) ?? [], session.clientId]);
    }
    return {
      entries: [...bySession].map(([session, subscriptions]) => {
        const options = subscriptions.map((each) => each.options);
        const qos = Math.max(...options.map((each) => each.qos));
        const asPublished = options.some((each) => each.retainAsPublished);
        const ids = options.map((each) => each.subscriptionId).filter((id) => id !== 0).sort();
        const noLocal = options.some((each) => each.noLocal) ? options.length : 0;
        return `${session.clientId} ${qos} ${asPublished} [${ids}] ${noLocal}`;
      }).sort(),
      groups: [...groups].map(([filter, members]) => `${filter} ${members.length}`).sort(),
    };
  }
}

function inPlainWords(route: Route): { entries: string[]; groups: string[] } {
  return {
    entries: route.entries.map(({ session, qos, retainAsPublished, subscriptionIds, noLocalAmong, group }) => {
      assert.equal(group, null);
      assert.notEqual(subscriptionIds?.length, 0);
      const ids = [...subscriptionIds ?? []].sort();
      return `${session.clientId} ${qos} ${retainAsPublished} [${ids}] ${noLocalAmong?.length ?? 0}`;
    }).sort(),
    groups: route.groups.map(({ filter, size }) => `${filter} ${size}`).sort(),
  };
}

Deno.test("match answers what a list of all subscriptions answers, while subscriptions come and go", () => {
  fc.assert(
    fc.property(fc.array(anyStep, { maxLength: 60 }), (steps) => {
      const pair = new Pair();
      for (const step of steps) pair.run(step);
      for (const name of pair.topics.keys()) pair.check(name, true);
    }),
    { numRuns: 400 },
  );
});

Deno.test("when every subscription is gone, nothing matches and the trie starts anew", () => {
  fc.assert(
    fc.property(fc.array(anyOptions, { maxLength: 20 }), fc.array(anyTopic, { maxLength: 5 }), (all, topics) => {
      const pair = new Pair();
      for (const options of all) pair.run({ kind: "add", session: 0, options });
      for (const topic of topics) pair.check(topic, true);
      while (pair.list.size > 0) pair.run({ kind: "delete", session: 0, nth: 0 });
      for (const topic of topics) pair.check(topic, true);
    }),
  );
});

Deno.test("a route is kept while no filter changes that could matter", () => {
  const trie = new TopicTrie();
  const session = sessionOf("p");
  const add = (filter: string) => trie.add(parseFilter(filter)!, new Subscription(session, optionsOf(filter)));
  add("a/b");
  const topic = topicOf("a/b");
  const route = trie.match(topic);
  assert.equal(trie.match(topic), route);
  assert.equal(trie.match(topicOf("a/b")), route, "another topic of the same name shares it");
  add("a/c");
  assert.equal(trie.match(topic), route, "an exact filter spoils the answer of its own topic only");
  add("a/+");
  assert.notEqual(trie.match(topic), route);
});

Deno.test("a spoiled route is not found again on a topic that kept it", () => {
  const trie = new TopicTrie();
  const topic = topicOf("a");
  const [p, q] = [sessionOf("p"), sessionOf("q")];
  const parsed = parseFilter("a")!;
  assert.equal(trie.match(topic).entries.length, 0);
  trie.add(parsed, new Subscription(p, optionsOf("a")));
  trie.add(parsed, new Subscription(q, optionsOf("a")));
  assert.equal(trie.match(topicOf("a")).entries.length, 2, "a new topic of the name is asked first");
  assert.equal(trie.match(topic).entries.length, 2);
  trie.delete(parsed, p);
  assert.deepEqual(trie.match(topic).entries.map(({ session }) => session), [q]);
  trie.delete(parsed, p); // a second time does nothing
  assert.deepEqual(trie.match(topic).entries.map(({ session }) => session), [q]);
});

Deno.test("more topics than routes are kept are still answered rightly", () => {
  const trie = new TopicTrie();
  trie.add(parseFilter("t/+")!, new Subscription(sessionOf("p"), optionsOf("t/+")));
  const first = topicOf("t/0");
  for (let i = 0; i <= 100_000; i++) trie.match(topicOf(`t/${i}`));
  assert.equal(trie.match(first).entries.length, 1);
  trie.delete(parseFilter("t/+")!, trie.match(first).entries[0].session);
  assert.equal(trie.match(first).entries.length, 0);
  assert.equal(trie.match(topicOf("t/99999")).entries.length, 0);
});

Deno.test("a topic of more than a kilobyte is looked up each time, and follows every change", () => {
  const trie = new TopicTrie();
  const name = `t/${"x".repeat(1024)}`;
  const topic = topicOf(name);
  assert.equal(trie.match(topic).entries.length, 0);
  trie.add(parseFilter(name)!, new Subscription(sessionOf("p"), optionsOf(name)));
  assert.equal(trie.match(topic).entries.length, 1);
  trie.delete(parseFilter(name)!, trie.match(topic).entries[0].session);
  assert.equal(trie.match(topic).entries.length, 0);
  assert.equal(topic.known, null);
});

Deno.test("however many topics the same filters match, who is reached is gathered once", () => {
  const trie = new TopicTrie();
  for (let i = 0; i < 1_000; i++) {
    const filter = i % 2 === 0 ? "#" : "t/+";
    trie.add(parseFilter(filter)!, new Subscription(sessionOf(`${i}`), optionsOf(filter)));
  }
  const routes = new Set(Array.from({ length: 5_000 }, (_, i) => trie.match(topicOf(`t/${i}`))));
  assert.equal(routes.size, 1);
  assert.equal([...routes][0].entries.length, 1_000);
});

Deno.test("a filter that comes and goes elsewhere makes nobody be gathered again", () => {
  const trie = new TopicTrie();
  const session = sessionOf("p");
  const put = (filter: string) => trie.add(parseFilter(filter)!, new Subscription(session, optionsOf(filter)));
  put("hot/#");
  put("hot/topic");
  const topic = topicOf("hot/topic");
  const { entries } = trie.match(topic);
  put("cold/+");
  trie.delete(parseFilter("cold/+")!, session);
  assert.equal(trie.match(topic).entries, entries);
  put("hot/+");
  trie.delete(parseFilter("hot/+")!, session);
  assert.equal(trie.match(topic).entries, entries, "the same filters match again");
  put("hot/#");
  assert.notEqual(trie.match(topic).entries, entries);
});

Deno.test("routes have a bound that counts everyone in them, and none is answered empty for it", () => {
  const cache = new RouteCache();
  const crowd = new Subscribers(0);
  for (let i = 0; i < 1_000; i++) crowd.set(new Subscription(sessionOf(`${i}`), optionsOf("#")));
  const routes: Route[] = [];
  for (let id = 1; !cache.isFull; id++) {
    const own = new Subscribers(id);
    own.set(new Subscription(sessionOf("own"), optionsOf("own")));
    routes.push(cache.of([crowd, own], id));
  }
  assert.equal(routes.length, 500, "of 1,002 each: half a million and no more");
  assert.equal(cache.of([crowd, new Subscribers(9_999)], 9_999).entries.length, 1_000);
  cache.clear();
  assert.equal(cache.size, 0);
  assert.equal(routes[0].entries.length, 0, "a topic that keeps it keeps nobody");
  assert.equal(cache.of([crowd], 9_999).entries.length, 1_000);
});

Deno.test("routes go with the last subscriber of one of their filters, and keep no session that has gone", () => {
  const cache = new RouteCache();
  const crowd = new Subscribers(1);
  crowd.set(new Subscription(sessionOf("crowd"), optionsOf("#")));
  const own = new Subscribers(2);
  own.set(new Subscription(sessionOf("own"), optionsOf("own")));
  const both = cache.of([crowd, own], 2);
  const one = cache.of([crowd], 2);
  assert.equal(cache.size, 5, "three for both, two for one");
  cache.forget(own);
  assert.deepEqual([cache.size, both.entries.length, one.entries.length], [2, 0, 1]);
  assert.deepEqual([...crowd.routes!], [one]);
  assert.equal(cache.of([crowd], 2), one);
  cache.forget(crowd);
  assert.equal(cache.size, 0);
});

Deno.test("a topic of the greatest depth and a filter of the same are found without recursion", () => {
  const trie = new TopicTrie();
  const deep = "/".repeat(65_534);
  trie.add(parseFilter(deep)!, new Subscription(sessionOf("p"), optionsOf(deep)));
  assert.equal(trie.match(topicOf(deep)).entries.length, 1);
  assert.equal(trie.match(topicOf(deep.slice(1))).entries.length, 0);
});

Deno.test("the shared group of a filter is found as long as it has members", () => {
  const trie = new TopicTrie();
  const session = sessionOf("p");
  const parsed = parseFilter("$share/g/a/+")!;
  assert.equal(trie.group(parsed), undefined);
  trie.add(parsed, new Subscription(session, optionsOf("$share/g/a/+")));
  assert.equal(trie.group(parsed)?.size, 1);
  assert.equal(trie.group(parsed)?.filter, "$share/g/a/+");
  assert.equal(trie.group(parseFilter("$share/h/a/+")!), undefined);
  trie.delete(parsed, session);
  assert.equal(trie.group(parsed), undefined);
});

Deno.test("[MQTT-3.3.4-3] a session gets all identifiers of its matching subscriptions, equal ones as often as they are", () => {
  const session = sessionOf("p");
  const ids = [7, 0, 7, 3];
  const subscriptions = ids.map((subscriptionId, i) =>
    new Subscription(session, optionsOf(`f${i}`, { subscriptionId }))
  );
  assert.deepEqual(routeEntry(session, subscriptions).subscriptionIds, [7, 7, 3]);
});

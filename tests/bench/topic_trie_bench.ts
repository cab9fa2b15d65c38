// How long it takes to find who is reached, with ten thousand and with a million subscriptions, and for many subscribers of one topic.
// deno task bench:micro; "cold" resolves a topic that has no cached route, "warm" one whose route the topic carries.
import { Subscription } from "../../src/core/subscription.ts";
import type { Topic } from "../../src/core/topic.ts";
import { TopicTrie } from "../../src/core/topic_trie.ts";
import { optionsOf, sessionOf, topicOf } from "../core/building.ts";

const SIZES = [10_000, 1_000_000];
const SESSIONS = Array.from({ length: 1_000 }, (_, index) => sessionOf(`session-${index}`));
/** Topics gone through, so that more than one path of the trie is walked. */
const TOPICS = 1_000;

/** Each filter is of one device; with a wildcard in its middle, or without. */
function filterOf(index: number, hasWildcard: boolean): string {
  const site = Math.floor(index / 1_000);
  return `site/${site}/${hasWildcard ? "+" : "device"}/${index % 1_000}`;
}

function trieOf(size: number, hasWildcard: boolean): TopicTrie {
  const trie = new TopicTrie();
  for (let index = 0; index < size; index++) {
    const filter = filterOf(index, hasWildcard);
    trie.add({ group: "", filter }, new Subscription(SESSIONS[index % SESSIONS.length], optionsOf(filter)));
  }
  return trie;
}

function topicsOf(size: number): Topic[] {
  return Array.from({ length: TOPICS }, (_, index) => topicOf(filterOf(index * (size / TOPICS), false)));
}

for (const hasWildcard of [false, true]) {
  const kind = hasWildcard ? "wildcard" : "exact";
  for (const size of SIZES) {
    const trie = trieOf(size, hasWildcard);
    const topics = topicsOf(size);
    const passing = new Subscription(SESSIONS[0], optionsOf("passing/+"));
    let next = 0;
    Deno.bench({
      name: `match cold, ${kind}, ${size} subscriptions`,
      group: `cold ${kind}`,
      baseline: size === SIZES[0],
    }, (b) => {
      if (next === 0) trie.add({ group: "", filter: "passing/+" }, passing); // a wildcard spoils every route
      const topic = topics[next];
      next = (next + 1) % TOPICS;
      b.start();
      trie.match(topic);
      b.end();
    });
    Deno.bench({
      name: `match warm, ${kind}, ${size} subscriptions`,
      group: `warm ${kind}`,
      baseline: size === SIZES[0],
    }, () => {
      for (let index = 0; index < TOPICS; index++) trie.match(topics[index]);
    });
  }
}

for (const subscribers of [10, 1_000, 10_000]) {
  const trie = new TopicTrie();
  for (let index = 0; index < subscribers; index++) {
    trie.add({ group: "", filter: "all/hear" }, new Subscription(sessionOf(`${index}`), optionsOf("all/hear")));
  }
  const late = new Subscription(sessionOf("late"), optionsOf("all/+"));
  const topic = topicOf("all/hear");
  Deno.bench({ name: `resolve the route to ${subscribers} subscribers`, group: "resolve" }, (b) => {
    trie.add({ group: "", filter: "all/+" }, late);
    b.start();
    trie.match(topic);
    b.end();
  });
}

// How long it takes to find who is reached, with ten thousand and with a million subscriptions, and for many subscribers of one topic.
// Every match figure is for 1,000 topics; "cold" resolves a topic that has no cached route, "warm" one whose route the topic carries.
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

/** Makes every route that is known stale, as any subscription with a wildcard does. */
function spoil(trie: TopicTrie): void {
  trie.add({ group: "", filter: "passing/+" }, new Subscription(SESSIONS[0], optionsOf("passing/+")));
}

for (const hasWildcard of [false, true]) {
  const kind = hasWildcard ? "wildcard" : "exact";
  for (const size of SIZES) {
    const trie = trieOf(size, hasWildcard);
    const topics = topicsOf(size);
    const baseline = size === SIZES[0];
    Deno.bench({ name: `match cold, ${kind}, ${size} subscriptions`, group: `cold ${kind}`, baseline }, () => {
      spoil(trie);
      for (const topic of topics) trie.match(topic);
    });
    Deno.bench({ name: `match warm, ${kind}, ${size} subscriptions`, group: `warm ${kind}`, baseline }, () => {
      for (const topic of topics) trie.match(topic);
    });
  }
}

for (const subscribers of [10, 1_000, 10_000]) {
  const trie = new TopicTrie();
  for (let index = 0; index < subscribers; index++) {
    trie.add({ group: "", filter: "all/hear" }, new Subscription(sessionOf(`${index}`), optionsOf("all/hear")));
  }
  const topic = topicOf("all/hear");
  const again = new Subscription(sessionOf("0"), optionsOf("all/hear"));
  Deno.bench({ name: `resolve the route to ${subscribers} subscribers`, group: "resolve" }, () => {
    trie.add({ group: "", filter: "all/hear" }, again);
    trie.match(topic);
  });
}

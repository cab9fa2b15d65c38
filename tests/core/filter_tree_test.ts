import assert from "node:assert/strict";
import fc from "fast-check";
import { FilterTree } from "../../src/core/filter_tree.ts";
import { matchesByExpression } from "./matcher.ts";

const anyLevel = fc.constantFrom("a", "b", "aa", "", "$s");
const anyDeepTopic = fc.array(anyLevel, { minLength: 1, maxLength: 7 }).map((levels) => levels.join("/"));
const anyDeepFilter = fc.tuple(
  fc.array(fc.oneof({ weight: 3, arbitrary: anyLevel }, { weight: 1, arbitrary: fc.constant("+") }), { maxLength: 6 }),
  fc.constantFrom("#", "+", "a", ""),
).map(([levels, last]) => [...levels, last].join("/"));

/** Puts the filter in, as its own value. */
function add(tree: FilterTree<string>, filter: string): void {
  tree.grow(filter).value = filter;
}

function remove(tree: FilterTree<string>, filter: string): void {
  const node = tree.find(filter);
  if (node === undefined) return;
  node.value = null;
  tree.prune(node);
}

/** What each filter's node stands for, itself and those above it, from the top. */
function way(tree: FilterTree<string>, filter: string): string[] {
  const nodes: string[] = [];
  for (let node = tree.find(filter); node?.parent; node = node.parent) nodes.unshift(node.level + node.tail);
  return nodes;
}

Deno.test("a tree of filters finds those that match, wherever they part, while they come and go", () => {
  const anyStep = fc.record({ filter: anyDeepFilter, isAdded: fc.boolean() });
  fc.assert(fc.property(fc.array(anyStep, { maxLength: 40 }), fc.array(anyDeepTopic), (steps, topics) => {
    const tree = new FilterTree<string>();
    const filters = new Set<string>();
    for (const { filter, isAdded } of steps) {
      if (isAdded) add(tree, filter);
      else remove(tree, filter);
      if (isAdded) filters.add(filter);
      else filters.delete(filter);
    }
    for (const topic of topics) {
      const expected = [...filters].filter((filter) => matchesByExpression(filter, topic)).sort();
      assert.deepEqual(tree.matching(topic, !topic.startsWith("$")).sort(), expected, topic);
    }
    for (const filter of filters) {
      assert.equal(way(tree, filter).join("/"), filter);
      remove(tree, filter);
    }
    for (const { filter } of steps) assert.equal(tree.find(filter), undefined);
  }));
});

Deno.test("levels that nobody shares have no node of their own, also when those who shared them have gone", () => {
  const tree = new FilterTree<string>();
  const deep = Array.from({ length: 128 }, () => "a").join("/");
  add(tree, deep);
  assert.deepEqual(way(tree, deep), [deep]);
  add(tree, "a/a/b/+/#");
  assert.deepEqual(way(tree, "a/a/b/+/#"), ["a/a", "b/+/#"]);
  add(tree, "a/a");
  assert.deepEqual(way(tree, deep), ["a/a", deep.slice(4)]);
  remove(tree, "a/a/b/+/#");
  assert.deepEqual(way(tree, deep), ["a/a", deep.slice(4)]);
  remove(tree, "a/a");
  assert.deepEqual(way(tree, deep), [deep]);
});

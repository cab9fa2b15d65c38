import assert from "node:assert/strict";
import fc from "fast-check";
import { Refusal } from "../../src/core/refusal.ts";
import { assertTopicFilter, assertTopicName, filterMatches, hasWildcard } from "../../src/core/topic.ts";
import { limitsOf, topicOf } from "./building.ts";
import { anyFilter, anyTopic, matchesByExpression } from "./matcher.ts";

const limits = limitsOf();

/** Rows of MQTT 5 section 4.7 and their neighbours. */
const rows: [filter: string, topic: string, matches: boolean][] = [
  ["sport/tennis/player1/#", "sport/tennis/player1", true],
  ["sport/tennis/player1/#", "sport/tennis/player1/ranking", true],
  ["sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", true],
  ["sport/tennis/player1/#", "sport/tennis/player11", false],
  ["sport/#", "sport", true],
  ["sport/#", "sport/", true],
  ["sport/#", "sports", false],
  ["#", "a", true],
  ["#", "/", true],
  ["#", "a/b/c", true],
  ["+", "finance", true],
  ["+", "/finance", false],
  ["+/+", "/finance", true],
  ["/+", "/finance", true],
  ["sport/+", "sport", false],
  ["sport/+", "sport/", true],
  ["sport/tennis/+", "sport/tennis/player1/ranking", false],
  ["+/tennis/#", "sport/tennis", true],
  ["sport/+/player1", "sport/tennis/player1", true],
  ["#", "$SYS/uptime", false],
  ["+/monitor/Clients", "$SYS/monitor/Clients", false],
  ["$SYS/#", "$SYS/monitor/Clients", true],
  ["$SYS/#", "$SYS", true],
  ["$SYS/monitor/+", "$SYS/monitor/Clients", true],
  ["a/#", "a/$SYS", true],
  ["a/+", "a/$SYS", true],
  ["ACCOUNTS", "Accounts", false],
  ["a", "a/", false],
  ["a/", "a", false],
  ["/", "/", true],
  ["+/", "/", true],
  ["//", "//", true],
  ["a//b", "a/b", false],
  ["a/+/b", "a//b", true],
];

for (const [filter, topic, matches] of rows) {
  Deno.test(`[MQTT-4.7] "${filter}" ${matches ? "matches" : "does not match"} "${topic}"`, () => {
    assert.equal(filterMatches(filter, topic), matches);
    assert.equal(matchesByExpression(filter, topic), matches);
  });
}

Deno.test("filterMatches agrees with a regular expression", () => {
  fc.assert(
    fc.property(anyFilter, anyTopic, (filter, topic) => {
      assert.equal(filterMatches(filter, topic), matchesByExpression(filter, topic), `${filter} : ${topic}`);
    }),
    { numRuns: 5000 },
  );
});

Deno.test("[MQTT-4.7.3-4] a name matches itself, character by character, and nothing normalises it", () => {
  const composed = "caf\u00e9";
  const decomposed = "cafe\u0301";
  assert.ok(filterMatches(composed, composed));
  assert.ok(!filterMatches(composed, decomposed));
  assert.ok(!filterMatches("a", "A"));
});

function refusalOf(action: () => void): string | undefined {
  try {
    action();
  } catch (error) {
    assert.ok(error instanceof Refusal);
    assert.match(error.message, /^Cannot (publish|subscribe) to ".*": .+/);
    return error.refusal;
  }
  return undefined;
}

Deno.test("topic names that are refused: empty, with a wildcard, with U+0000, too long, too deep", () => {
  for (const name of ["", "+", "#", "a/+", "a/#", "a+", "#a", "a\u0000b", "\u0000"]) {
    assert.equal(refusalOf(() => assertTopicName(name, name.length, limits)), "topic-name-invalid", name);
  }
  const short = limitsOf({ topicBytesMax: 4, topicLevelsMax: 2 });
  assert.equal(refusalOf(() => assertTopicName("abcd", 4, short)), undefined);
  assert.equal(refusalOf(() => assertTopicName("abcde", 5, short)), "topic-name-invalid");
  assert.equal(refusalOf(() => assertTopicName("éé", 5, short)), "topic-name-invalid");
  assert.equal(refusalOf(() => assertTopicName("a/b", 3, short)), undefined);
  assert.equal(refusalOf(() => assertTopicName("//", 2, short)), "topic-name-invalid");
});

Deno.test("topic names that are accepted: blanks, empty levels, a lone slash, a leading $", () => {
  for (const name of ["/", "//", " ", "a b", "$SYS/x", "$", "é", "a".repeat(65_535), "/".repeat(127)]) {
    assertTopicName(name, name.length, limits);
  }
});

Deno.test("[MQTT-4.7.1-1] # stands alone in the last level", () => {
  for (const filter of ["#", "/#", "a/#", "+/#", "//#", "$SYS/#"]) assertTopicFilter(filter, filter.length, limits);
  for (const filter of ["a#", "#a", "a/#/b", "#/", "##", "a/b#", "#/#", "+#"]) {
    assert.equal(refusalOf(() => assertTopicFilter(filter, filter.length, limits)), "topic-filter-invalid", filter);
  }
});

Deno.test("[MQTT-4.7.1-2] + stands alone in its level, wherever that is", () => {
  for (const filter of ["+", "+/+", "/+", "+/", "a/+/b", "+/a/#"]) assertTopicFilter(filter, filter.length, limits);
  for (const filter of ["a+", "+a", "++", "a/b+/c", "a/+b"]) {
    assert.equal(refusalOf(() => assertTopicFilter(filter, filter.length, limits)), "topic-filter-invalid", filter);
  }
});

Deno.test("[MQTT-4.7.3-1] [MQTT-4.7.3-2] filters that are empty or hold U+0000 are refused", () => {
  for (const filter of ["", "\u0000", "a/\u0000"]) {
    assert.equal(refusalOf(() => assertTopicFilter(filter, filter.length, limits)), "topic-filter-invalid");
  }
});

Deno.test("every filter and topic that the properties are tested with is valid", () => {
  fc.assert(fc.property(anyFilter, (filter) => assertTopicFilter(filter, filter.length, limits)));
  fc.assert(fc.property(anyTopic, (topic) => assertTopicName(topic, topic.length, limits)));
});

Deno.test("a topic knows whether it is reserved; a filter whether it has a wildcard", () => {
  assert.ok(topicOf("$SYS/a").isReserved);
  assert.ok(!topicOf("a/$SYS").isReserved);
  assert.ok(!topicOf("/$SYS").isReserved);
  assert.ok(hasWildcard("a/+"));
  assert.ok(hasWildcard("#"));
  assert.ok(!hasWildcard("$share/g/a"));
});

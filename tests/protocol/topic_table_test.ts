import assert from "node:assert/strict";
import fc from "fast-check";
import { DEFAULT_LIMITS } from "../../src/core/limits.ts";
import { Refusal } from "../../src/core/refusal.ts";
import { isNamed, TopicTable } from "../../src/protocol/topic_table.ts";

const encoder = new TextEncoder();

Deno.test("the same bytes are the same topic, wherever in a chunk they stand", () => {
  const table = new TopicTable(DEFAULT_LIMITS);
  const chunk = encoder.encode("..a/b..a/b.");
  const topic = table.read(chunk, 2, 5);
  assert.equal(topic.name, "a/b");
  assert.equal(table.read(chunk, 7, 10), topic);
  assert.equal(table.of("a/b"), topic);
  chunk.fill(0); // the chunk is reused
  assert.deepEqual(topic.bytes, encoder.encode("a/b"));
});

Deno.test("two names of one hash are told apart, in turns", () => {
  const table = new TopicTable(DEFAULT_LIMITS);
  for (const [one, other] of [["costarring", "liquid"], ["declinate", "macallums"], ["altarage", "zinke"]]) { // 32-bit FNV-1a
    for (let round = 0; round < 3; round++) {
      for (const name of [one, other]) assert.equal(table.of(name).name, name);
    }
  }
});

Deno.test("any names, known or not, long or short, come back as they are", () => {
  const table = new TopicTable(DEFAULT_LIMITS);
  const name = fc.oneof(
    fc.string({ unit: "grapheme", minLength: 1, maxLength: 20 }),
    fc.nat(2_000).map((length) => "x".repeat(length + 1)),
    fc.constantFrom("a", "b", "a/b"),
  ).filter((text) => !/[+#\0]/.test(text) && text.isWellFormed() && text.split("/").length < 100);
  fc.assert(
    fc.property(fc.array(name, { maxLength: 20 }), (names) => {
      for (const each of names) {
        const topic = table.of(each);
        assert.equal(topic.name, each);
        assert.deepEqual(topic.bytes, encoder.encode(each));
        assert.equal(topic.isReserved, each.startsWith("$"));
      }
    }),
  );
});

Deno.test("more topics than are remembered, and topics too long to be, still come back right", () => {
  const table = new TopicTable(DEFAULT_LIMITS);
  for (let i = 0; i < 70_000; i++) table.of(`t/${i}`);
  assert.equal(table.of("t/0").name, "t/0");
  const long = "x".repeat(1_025);
  assert.notEqual(table.of(long), table.of(long));
  assert.equal(table.of(long).name, long);
});

Deno.test("names that are refused are refused every time", () => {
  const table = new TopicTable({ ...DEFAULT_LIMITS, topicBytesMax: 5, topicLevelsMax: 2 });
  for (let round = 0; round < 2; round++) {
    for (const name of ["", "+", "a/#", "a/b/c", "abcdef"]) {
      assert.throws(
        () => table.of(name),
        (error) => error instanceof Refusal && error.refusal === "topic-name-invalid",
        name,
      );
    }
  }
});

Deno.test("isNamed compares bytes, not lengths or beginnings", () => {
  const topic = new TopicTable(DEFAULT_LIMITS).of("abc");
  const named = (text: string) => isNamed(topic, encoder.encode(text), { start: 0, end: text.length });
  assert.ok(named("abc"));
  for (const other of ["", "ab", "abd", "abcd", "xbc"]) assert.ok(!named(other), other);
});

import assert from "node:assert/strict";
import { cut, quoted, visible, visibleJson } from "../../src/core/text.ts";

Deno.test("what nobody would see is shown as what it is", () => {
  assert.equal(visible("plain, ü, 漢, 😀"), "plain, ü, 漢, 😀");
  assert.equal(visible("a\n\x1b[2J\x7f\x9b"), "a\\u{a}\\u{1b}[2J\\u{7f}\\u{9b}");
  assert.equal(
    visible("\u2028\u2029\u202e\u2066\u200b\ufeff"),
    "\\u{2028}\\u{2029}\\u{202e}\\u{2066}\\u{200b}\\u{feff}",
  );
  assert.equal(visible("\ud800x"), "\\u{d800}x");
});

Deno.test("a name in a message is quoted, escaped and cut", () => {
  assert.equal(quoted('a"\n'), '"a\\"\\n"');
  assert.equal(quoted("\u202e"), '"\\u{202e}"');
  assert.equal(quoted("x".repeat(100)), `"${"x".repeat(100)}"`);
  assert.equal(quoted("x".repeat(103)), `"${"x".repeat(100)}… (3 more)"`);
});

Deno.test("a cut does not go through the middle of a character", () => {
  assert.equal(cut("ab😀c", 3), "ab… (3 more)");
  assert.equal(cut("ab😀c", 4), "ab😀… (1 more)");
});

Deno.test("JSON is read back as it was, and shows nothing that a terminal would act on", () => {
  const name = "\u202e\u2028\x9b2J\u200b\u{e0041}a\nb";
  const line = visibleJson(JSON.stringify({ name }, null, 2));
  assert.doesNotMatch(line, /[\x7f-\x9f\p{Cf}\p{Zl}\p{Zp}]/u);
  assert.deepEqual(JSON.parse(line), { name });
});

import assert from "node:assert/strict";
import { decodeProperties, encodeProperties } from "../../src/wire/properties.ts";
import { PropertyId } from "../../src/wire/property_table.ts";
import { PropertyWriter } from "../../src/wire/property_writer.ts";

const id = PropertyId.userProperty;

function written(pairs: readonly (readonly [string, string])[], before = new Uint8Array()): Uint8Array {
  const writer = new PropertyWriter();
  writer.begin(before);
  for (const [name, value] of pairs) writer.addPair(name, value);
  return writer.end();
}

for (
  const [what, pairs] of Object.entries(
    {
      "nothing": [],
      "plain text": [["queue", "orders"], ["offset", "17"], ["reason", ""]],
      "text that is not ASCII": [["größe", "1"], ["queue", "注文"], ["plain", "x"], ["reason", "\u{1f600} after"]],
      "text beyond the first memory": [["a", "x".repeat(3_000)], ["b", "y".repeat(65_535)]],
    } satisfies Record<string, [string, string][]>,
  )
) {
  Deno.test(`user properties are written as the general encoder does: ${what}`, () => {
    const before = encodeProperties([{ id: PropertyId.contentType, value: "text/plain" }, { id, value: ["k", "v"] }]);
    const general = encodeProperties(pairs.map((value) => ({ id, value })));
    assert.deepEqual(written(pairs), general);
    assert.deepEqual(written(pairs, before), Uint8Array.of(...before, ...general));
  });
}

Deno.test("a writer of user properties starts anew and leaves what it has answered alone", () => {
  const writer = new PropertyWriter();
  writer.begin(new Uint8Array());
  writer.addPair("first", "1");
  const first = writer.end();
  writer.begin(new Uint8Array());
  writer.addPair("other", "2");
  assert.deepEqual(decodeProperties(first, 0, first.length), [{ id, value: ["first", "1"] }]);
});

Deno.test("a user property that MQTT does not allow is refused, and what was written before stays", () => {
  const writer = new PropertyWriter();
  writer.begin(new Uint8Array());
  writer.addPair("a", "1");
  assert.throws(() => writer.addPair("b", "nul \0"), { name: "TypeError", message: /MQTT-1.5.4-2/ });
  assert.throws(() => writer.addPair("b", "half \ud800"), { name: "TypeError", message: /MQTT-1.5.4-1/ });
  assert.throws(() => writer.addPair("b", "x".repeat(65_536)), { name: "RangeError", message: /65536/ });
  assert.deepEqual(writer.end(), encodeProperties([{ id, value: ["a", "1"] }]));
});

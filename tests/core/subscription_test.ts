import assert from "node:assert/strict";
import fc from "fast-check";
import { parseFilter } from "../../src/core/subscription.ts";
import { anyFilter } from "./matcher.ts";

Deno.test("a plain filter stays as it is", () => {
  for (const filter of ["a", "#", "/", "$SYS/#", "$shared/g/a", "a/$share/g/b", "$Share/g/a", "$sharea/b"]) {
    assert.deepEqual(parseFilter(filter), { group: "", filter });
  }
});

Deno.test("[MQTT-4.8.2-1] [MQTT-4.8.2-2] a shared filter is a group and a filter", () => {
  assert.deepEqual(parseFilter("$share/g/a"), { group: "g", filter: "a" });
  assert.deepEqual(parseFilter("$share/g/#"), { group: "g", filter: "#" });
  assert.deepEqual(parseFilter("$share/g//a"), { group: "g", filter: "/a" });
  assert.deepEqual(parseFilter("$share/g//"), { group: "g", filter: "/" });
  assert.deepEqual(parseFilter("$share/g/$SYS/a"), { group: "g", filter: "$SYS/a" });
  assert.deepEqual(parseFilter("$share/$share/a"), { group: "$share", filter: "a" });
});

Deno.test("[MQTT-4.8.2-1] [MQTT-4.8.2-2] a shared filter without a group or a filter is not well formed", () => {
  const malformed = [
    "$share",
    "$share/",
    "$share//",
    "$share//a",
    "$share/g",
    "$share/g/",
    "$share/+/a",
    "$share/g#/a",
  ];
  for (const filter of malformed) assert.equal(parseFilter(filter), undefined, filter);
});

Deno.test("a group and a filter put together come apart again", () => {
  const group = fc.string({ minLength: 1, maxLength: 6 }).filter((name) => !/[/+#]/.test(name));
  fc.assert(
    fc.property(group, anyFilter, (group, filter) => {
      assert.deepEqual(parseFilter(`$share/${group}/${filter}`), { group, filter });
    }),
  );
});

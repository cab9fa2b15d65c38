// A matcher of topics that shares no idea with the broker's: a filter becomes a regular expression.
import fc from "fast-check";

/** MQTT 5 section 4.7, as a regular expression. */
export function matchesByExpression(filter: string, topic: string): boolean {
  if (topic.startsWith("$") && /^[+#]/.test(filter)) return false; // [MQTT-4.7.2-1]
  const escaped = filter.replace(/[.*?^${}()|[\]\\]/g, "\\$&");
  const pattern = escaped
    .replace(/(^|\/)\+(?=\/|$)/g, "$1[^/]*")
    .replace(/\/#$/, "(/[^]*)?") // the parent level too
    .replace(/^#$/, "[^]*");
  return new RegExp(`^${pattern}$`).test(topic);
}

/** Few level names, so that filters and topics meet; the empty level is one of them. */
const level = fc.constantFrom("a", "b", "", "$x", "é", "a b");
const filterLevel = fc.oneof({ weight: 3, arbitrary: level }, { weight: 2, arbitrary: fc.constant("+") });

/** Valid topic names of one to five levels. */
export const anyTopic = fc.array(level, { minLength: 1, maxLength: 5 })
  .map((levels) => levels.join("/")).filter((topic) => topic !== "");

/** Valid filters without `$share/`. */
export const anyFilter = fc.tuple(fc.array(filterLevel, { minLength: 0, maxLength: 5 }), fc.boolean())
  .map(([levels, hash]) => (hash ? [...levels, "#"] : levels).join("/")).filter((filter) => filter !== "");

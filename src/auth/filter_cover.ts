/** What one topic filter is to another: a right to one is a right to the other only when nothing is left over. */

/** Whether every topic that `inner` matches is matched by `outer`, too ([MQTT-4.7.1], [MQTT-4.7.2-1]); both are valid, and a topic
 * name is a filter without wildcards. `a/#` covers `a`; `#` covers nothing that begins with `$`; `+/#` is `#`. */
export function covers(outer: readonly string[], inner: readonly string[]): boolean {
  if (isReserved(inner) && isWildcard(outer[0])) return false;
  if (outer[0] === "+" && outer[1] === "#") return true; // every topic has a first level
  for (let i = 0; i < outer.length; i++) {
    const level = outer[i];
    if (level === "#") return true;
    if (i >= inner.length || inner[i] === "#") return false;
    if (level !== "+" && level !== inner[i]) return false;
  }
  return outer.length === inner.length;
}

/** Whether some topic is matched by both; both are valid filters. */
export function overlaps(one: readonly string[], other: readonly string[]): boolean {
  if ((isReserved(one) && isWildcard(other[0])) || (isReserved(other) && isWildcard(one[0]))) return false;
  for (let i = 0; i < one.length && i < other.length; i++) {
    if (one[i] === "#" || other[i] === "#") return true;
    if (one[i] !== "+" && other[i] !== "+" && one[i] !== other[i]) return false;
  }
  if (one.length === other.length) return true;
  const [shorter, longer] = one.length < other.length ? [one, other] : [other, one];
  return longer[shorter.length] === "#" && longer.length === shorter.length + 1; // `a/#` matches `a`
}

function isWildcard(level: string): boolean {
  return level === "+" || level === "#";
}

function isReserved(levels: readonly string[]): boolean {
  return levels[0].charCodeAt(0) === 36; // $
}

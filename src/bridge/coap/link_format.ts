/** `.well-known/core`: what there is, as links (RFC 6690). */

/** A resource that can be found. */
export interface Link {
  readonly path: string;
  /** Names to values; "" for an attribute without one. */
  readonly attributes: Readonly<Record<string, string>>;
}

/** The links of `links` that a query asks for: all without one; by `href` or by an attribute, one of whose words must be it, or begin
 * with it when it ends in `*` (RFC 6690 section 4.1). */
export function filterLinks(links: readonly Link[], query: readonly (readonly [string, string])[]): Link[] {
  return links.filter((link) => query.every(([name, wanted]) => matches(link, name, wanted)));
}

function matches({ path, attributes }: Link, name: string, wanted: string): boolean {
  const value = name === "href" ? path : Object.hasOwn(attributes, name) ? attributes[name] : undefined;
  if (value === undefined) return false;
  const candidates = name === "href" ? [value] : [value, ...value.split(" ")];
  return candidates.some((candidate) => {
    return wanted.endsWith("*") ? candidate.startsWith(wanted.slice(0, -1)) : candidate === wanted;
  });
}

/** `</ps>;rt="core.ps";obs,</health>;ct=50`. */
export function formatLinks(links: readonly Link[]): string {
  return links.map(({ path, attributes }) => {
    const parts = Object.entries(attributes).map(([name, value]) => {
      return value === "" ? name : `${name}=${/^\d+$/.test(value) ? value : JSON.stringify(value)}`;
    });
    return [`<${path}>`, ...parts].join(";");
  }).join(",");
}

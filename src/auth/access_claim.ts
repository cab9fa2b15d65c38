import type { AccessRule } from "./access_rule.ts";
import { AccessRules } from "./access_rules.ts";
import { isMap } from "./json_map.ts";

const FILTERS_MAX = 256;

const ACTIONS = ["publish", "subscribe"] as const;

/** The rules in what a token or a callout says about a client: `{"publish": {"allow": ["a/#"], "deny": ["a/x"]}, "subscribe": ...}`,
 * in which a denial wins. Undefined for anything else: half of a list of permissions is none. */
export function rulesOfClaim(value: unknown): readonly AccessRule[] | undefined {
  if (!isMap(value) || !hasOnly(value, ACTIONS)) return undefined;
  const rules: AccessRule[] = [];
  for (const action of ACTIONS) {
    const part = Object.hasOwn(value, action) ? value[action] : {};
    if (!isMap(part) || !hasOnly(part, ["allow", "deny"])) return undefined;
    for (const permission of ["deny", "allow"] as const) {
      const filters = Object.hasOwn(part, permission) ? part[permission] : [];
      if (!Array.isArray(filters) || filters.length > FILTERS_MAX) return undefined;
      for (const filter of filters) {
        if (typeof filter !== "string") return undefined;
        rules.push({ permission, action, filter });
      }
    }
  }
  return areUsable(rules) ? rules : undefined;
}

/** The groups in what a token or a callout says; one may be a text. Undefined for anything else. */
export function groupsOfClaim(value: unknown): readonly string[] | undefined {
  const groups = typeof value === "string" ? [value] : value;
  if (!Array.isArray(groups) || groups.length > FILTERS_MAX) return undefined;
  return groups.every((group) => typeof group === "string" && group.length <= 256) ? groups : undefined;
}

function areUsable(rules: readonly AccessRule[]): boolean {
  try {
    new AccessRules(rules);
    return true;
  } catch (error) {
    if (error instanceof RangeError) return false; // a filter that is none
    throw error;
  }
}

function hasOnly(value: Record<string, unknown>, keys: readonly string[]): boolean {
  return Object.keys(value).every((key) => keys.includes(key));
}

/** The schema as the reference walks it: section by section, in the order of declaration. */
import { variableOf } from "./environment.ts";
import { LISTS, SETTINGS } from "./schema.ts";
import type { Fields, ListSetting, Setting } from "./setting.ts";

/** One key: either a setting or a list. */
export interface ReferenceKey {
  readonly section: string;
  /** Below its section: `tcp_addr`, `scram.users`; empty for a section that is a list itself. */
  readonly name: string;
  readonly variable: string;
  readonly setting?: Setting<unknown>;
  readonly list?: ListSetting<Fields>;
}

/** The keys of a section, lists last. */
export function keysOf(section: string): ReferenceKey[] {
  const all = { ...SETTINGS, ...LISTS };
  const paths = Object.keys(all).filter((path) => path === section || path.startsWith(`${section}.`));
  return paths.map((path) => {
    const name = path.slice(section.length + 1); // empty for a section that is a list
    const variable = variableOf(path);
    if (Object.hasOwn(LISTS, path)) return { section, name, variable, list: LISTS[path as keyof typeof LISTS] };
    return { section, name, variable, setting: SETTINGS[path as keyof typeof SETTINGS] as Setting<unknown> };
  });
}

/** The default as YAML; empty when it depends on other keys. */
export function formatDefault(setting: Setting<unknown>): string {
  return setting.type.format(setting.initial);
}

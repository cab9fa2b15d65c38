/** What the checks of values that are right by themselves and wrong together have in common. */
import { formatPlace } from "../problem.ts";
import { placeOf, type Reading } from "../reading.ts";
import { type SettingPath, SETTINGS } from "../schema.ts";

/** A key, and why it does not go with others. */
export interface Clash {
  readonly path: string;
  readonly message: string;
}

/** Where a key was written. */
export function whereOf(reading: Reading, path: string): string {
  return formatPlace(placeOf(reading, path));
}

/** Whether a key was written, to something else than its default. */
export function isChanged({ values, places }: Reading, path: SettingPath): boolean {
  return places.has(path) && JSON.stringify(values[path]) !== JSON.stringify(SETTINGS[path].initial);
}

/** The keys of a map that were changed. */
export function changedUnder(reading: Reading, map: string): SettingPath[] {
  return Object.keys(SETTINGS).filter((path): path is SettingPath => path.startsWith(`${map}.`))
    .filter((path) => isChanged(reading, path));
}

/** A key means nothing without another one. */
export function needs(path: string, what: string): Clash {
  return { path, message: `it needs ${what} beside it` };
}

/** A name, and the key that gives it. */
interface Named {
  readonly path: string;
  readonly name?: string;
}

/** Every name that was given before, and by which key it was first. */
export function* repeated(named: Iterable<Named>): Iterable<{ path: string; name: string; first: string }> {
  const seen = new Map<string, string>();
  for (const { path, name } of named) {
    if (name === undefined) continue;
    const first = seen.get(name);
    if (first === undefined) seen.set(name, path);
    else yield { path, name, first };
  }
}

/** Values that are right by themselves and wrong together. */
import type { Problem } from "../problem.ts";
import { placeOf, type Reading } from "../reading.ts";
import { type Clash, isChanged, needs, whereOf } from "./clash.ts";
import { identityClashes, sameUsers } from "./identity.ts";
import { doorsOf, halfListeners, noDoor, openDoors, sameAddresses, sameNames } from "./listeners.ts";
import { queueClashes } from "./queues.ts";

/** Every clash between keys that were read well; a key with a problem of its own clashes with nothing. */
export function findClashes(reading: Reading): Problem[] {
  const wrong = new Set(reading.problems.map(({ path }) => path));
  const isReadWell = (section: string) => !wrong.values().some((path) => path.startsWith(section));
  const doors = [...doorsOf(reading)].filter(({ path }) => !wrong.has(path));
  const clashes = [
    ...sameNames(reading),
    ...sameAddresses(reading, doors),
    ...halfListeners(reading),
    ...sameUsers(reading),
    ...queueClashes(reading),
    ...isReadWell("server") ? noDoor(doors) : [],
    ...isReadWell("auth") ? [...openDoors(reading, doors), ...identityClashes(reading)] : [],
    ...isReadWell("storage") ? idleMemoryLimit(reading) : [],
    ...misfits(reading, wrong),
  ];
  return clashes.filter(({ path }) => !wrong.has(path))
    .map(({ path, message }) => ({ place: placeOf(reading, path), path, message }));
}

/** Whoever writes it believes that memory is bounded by it. */
function* idleMemoryLimit(reading: Reading): Iterable<Clash> {
  const path = "storage.memory_limit";
  const { "storage.type": type } = reading.values;
  if (isChanged(reading, path) && type !== "memory") yield needs(path, "storage.type: memory");
}

const HOW = {
  "is longer than": (value: number, other: number) => value > other,
  "is shorter than": (value: number, other: number) => value < other,
  "is not shorter than": (value: number, other: number) => value >= other,
} as const;

/** Times that may not be so beside another one. */
const MISFITS = [
  { path: "session.default_expiry_interval", how: "is longer than", other: "session.max_expiry_interval" },
  { path: "auth.failed_login_delay", how: "is not shorter than", other: "server.connect_timeout" }, // gone before it is told
  { path: "auth.ban_time_max", how: "is shorter than", other: "auth.ban_time" },
] as const;

/** A default that nobody wrote gives way silently instead. */
function* misfits(reading: Reading, wrong: ReadonlySet<string>): Iterable<Clash> {
  const { values, places } = reading;
  for (const { path, how, other } of MISFITS) {
    if (wrong.has(other) || !places.has(path) || !HOW[how](values[path], values[other])) continue;
    yield { path, message: `it ${how} ${other} (${whereOf(reading, other)})` };
  }
}

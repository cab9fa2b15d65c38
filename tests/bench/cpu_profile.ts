/** V8's sampled profiles (`deno run --cpu-prof`), and the parts of the broker that their functions belong to. */

/** A stretch of time, in seconds since the machine started. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** The format of the DevTools protocol, `Profiler.Profile`; times in microseconds. */
interface ProfileJson {
  readonly startTime: number;
  readonly nodes: readonly { readonly id: number; readonly callFrame: CallFrame }[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

interface CallFrame {
  readonly functionName: string;
  readonly url: string;
}

/** The thread waits, or runs what is no function: the profiler cannot tell these apart. */
const OUTSIDE = new Set(["(idle)", "(root)"]);

/** The profile of one thread. */
export class CpuProfile {
  readonly #json: ProfileJson;

  constructor(json: ProfileJson) {
    this.#json = json;
  }

  /** Whether this is the thread that runs the broker's core. */
  get isOfBroker(): boolean {
    return this.#json.nodes.some(({ callFrame: { url } }) => url.endsWith("/src/core/broker.ts"));
  }

  /** Seconds in each function itself, without those it calls: `PATH NAME`, the path from `src/` on for files of the broker. */
  secondsByFunction({ start, end }: Span): Map<string, number> {
    const { startTime, nodes, samples, timeDeltas } = this.#json;
    const frames = new Map(nodes.map(({ id, callFrame }) => [id, callFrame]));
    const seconds = new Map<string, number>();
    let now = startTime;
    for (const [index, id] of samples.entries()) {
      now += timeDeltas[index];
      const frame = frames.get(id)!;
      if (now < start * 1e6 || now > end * 1e6 || OUTSIDE.has(frame.functionName)) continue;
      const name = nameOf(frame);
      seconds.set(name, (seconds.get(name) ?? 0) + timeDeltas[index] / 1e6);
    }
    return seconds;
  }
}

function nameOf({ functionName, url }: CallFrame): string {
  const path = url.startsWith("file:") ? url.replace(/.*\/src\//, "src/") : url;
  return `${path} ${functionName}`.trim();
}

/** The broker's profile among those that its threads have written to a folder.
 * @throws {Error} when it is not there: the process was ended by force */
export async function readProfile(folder: string): Promise<CpuProfile> {
  for await (const { name } of Deno.readDir(folder)) {
    const profile = new CpuProfile(JSON.parse(await Deno.readTextFile(`${folder}/${name}`)));
    if (profile.isOfBroker) return profile;
  }
  throw new Error(`Cannot read a profile in ${folder}: the broker has left none`);
}

/** What a function is for: the first pattern that its name fits. The last one fits all. */
const PARTS: readonly (readonly [part: string, pattern: RegExp])[] = [
  ["collection", /^\(garbage collector\)$/],
  ["write", /^op_write/],
  ["read", /^op_read|^op_net_recv/],
  [
    "encode",
    /^src\/(wire\/(outbox|buffer_pool|reply|property_writer)|protocol\/publish_writer)|^src\/wire\/.* write/,
  ],
  ["parse", /^src\/(wire|protocol)\//],
  ["match", /^src\/(auth\/|core\/(topic|route|level_tree|subscri|shared|retained|replay|hand_on|queue\/captures))/],
  ["session", /^src\/(core|store)\//],
  ["turns", /^src\/(server|transport)\//],
  ["runtime", /(?:)/],
];

/** Seconds of a span by the part of the broker that they were spent in. */
export function secondsByPart(profile: CpuProfile, span: Span): Record<string, number> {
  const seconds: Record<string, number> = Object.fromEntries(PARTS.map(([part]) => [part, 0]));
  for (const [name, spent] of profile.secondsByFunction(span)) {
    const [part] = PARTS.find(([, pattern]) => pattern.test(name))!;
    seconds[part] += spent;
  }
  return seconds;
}

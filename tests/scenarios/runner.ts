/** Scenarios as scripts with transcripts. A file has commands at the left margin, several on a line with `;` between them, and under
 * each line what was committed and said, in that order, behind `->`. Lines that begin with `#` are prose.
 *
 *     deno run -R -W tests/scenarios/runner.ts --update [name...]
 *
 * writes down what happens now; read it before it is believed. The test compares. */
import { parseCommand } from "./command.ts";
import { Stage } from "./stage.ts";

const FOLDER = new URL(".", import.meta.url);

/** The names of all scenarios, without `.txt`. */
export function scenarioNames(): string[] {
  return [...Deno.readDirSync(FOLDER)].map(({ name }) => name).filter((name) => name.endsWith(".txt"))
    .map((name) => name.slice(0, -".txt".length)).sort();
}

export function readScenario(name: string): string {
  return Deno.readTextFileSync(new URL(`${name}.txt`, FOLDER));
}

/** The same scenario with what happens now in the place of what was written down. */
export async function playScenario(text: string): Promise<string> {
  const stage = new Stage();
  const lines: string[] = [];
  for (const line of text.split("\n")) {
    if (/^\s*->/.test(line)) continue;
    lines.push(line);
    if (line.trim() === "" || line.startsWith("#")) continue;
    for (const command of line.split(";")) {
      for (const heard of await stage.play(parseCommand(command.trim()))) lines.push(`    -> ${heard}`);
    }
  }
  return lines.join("\n");
}

async function update(names: readonly string[]): Promise<void> {
  for (const name of names) {
    const before = readScenario(name);
    const now = await playScenario(before);
    if (now === before) continue;
    Deno.writeTextFileSync(new URL(`${name}.txt`, FOLDER), now);
    console.log(`updated ${name}.txt: read it`);
  }
}

if (import.meta.main) {
  const names = Deno.args.filter((argument) => argument !== "--update");
  if (!Deno.args.includes("--update")) throw new TypeError("Cannot run without --update: `deno test` compares");
  await update(names.length > 0 ? names : scenarioNames());
}

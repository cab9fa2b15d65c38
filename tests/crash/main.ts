/** Kills the broker again and again, for as long as you like: deno run -A tests/crash/main.ts --rounds 50 [--seed N] [--main PATH] */
import { parseArgs } from "node:util";
import { run } from "./run.ts";

const { values } = parseArgs({
  options: { rounds: { type: "string", default: "10" }, seed: { type: "string" }, main: { type: "string" } },
});
const seed = values.seed === undefined ? Date.now() % 1_000_000 : Number(values.seed);
console.log(`seed ${seed}, ${values.rounds} rounds`);
const outcome = await run(Number(values.rounds), { seed, main: values.main, log: (line) => console.log(line) });
console.log("Nothing was lost:", outcome);

/** Kills the broker again and again, for as long as you like:
 * deno run -A tests/crash/main.ts --rounds 50 [--only sessions|queues] [--seed N] [--main PATH] */
import { parseArgs } from "node:util";
import { run, runQueues } from "./run.ts";

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "10" },
    only: { type: "string" },
    seed: { type: "string" },
    main: { type: "string" },
  },
});
const seed = values.seed === undefined ? Date.now() % 1_000_000 : Number(values.seed);
const rounds = Number(values.rounds);
console.log(`seed ${seed}, ${rounds} rounds`);
const options = { seed, main: values.main, log: (line: string) => console.log(line) };
if (values.only !== "queues") console.log("Nothing was lost:", await run(rounds, options));
if (values.only !== "sessions") console.log("Nothing was lost in queues:", await runQueues(rounds, options));

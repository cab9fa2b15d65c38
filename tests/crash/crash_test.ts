/** A few rounds for every run of the tests; `CRASH_ROUNDS` asks for more, `CRASH_SEED` for the same ones again. */
import { run, runQueues } from "./run.ts";

const seed = Number(Deno.env.get("CRASH_SEED") ?? Date.now() % 1_000_000);
const rounds = Number(Deno.env.get("CRASH_ROUNDS") ?? 5);

Deno.test("what was acknowledged survives kill -9 at any instant, QoS 2 exactly once", async () => {
  console.log(`CRASH_SEED=${seed}`);
  await run(rounds, { seed });
});

Deno.test("queues keep through kill -9 what was published, what was settled, and the order of each key", async () => {
  console.log(`CRASH_SEED=${seed}`);
  await runQueues(rounds, { seed });
});

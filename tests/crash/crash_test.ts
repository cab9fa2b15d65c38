/** A few rounds for every run of the tests; `CRASH_ROUNDS` asks for more, `CRASH_SEED` for the same ones again. */
import { run } from "./run.ts";

Deno.test("what was acknowledged survives kill -9 at any instant, QoS 2 exactly once", async () => {
  const seed = Number(Deno.env.get("CRASH_SEED") ?? Date.now() % 1_000_000);
  console.log(`CRASH_SEED=${seed}`);
  await run(Number(Deno.env.get("CRASH_ROUNDS") ?? 5), { seed });
});

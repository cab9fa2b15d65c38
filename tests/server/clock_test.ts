import assert from "node:assert/strict";
import { Clock } from "../../src/server/clock.ts";

Deno.test("of alarms that fall due together and take long, each has its turn, with others in between", async () => {
  const clock = new Clock();
  const rung: string[] = [];
  const last = Promise.withResolvers<void>();
  const now = clock.now();
  for (const name of ["a", "b", "c"]) {
    clock.set(now, {
      ring: () => {
        rung.push(name);
        setTimeout(() => rung.push("-"), 0);
        const until = performance.now() + 6;
        while (performance.now() < until);
        if (rung.filter((each) => each !== "-").length === 3) setTimeout(last.resolve, 5);
        return Infinity;
      },
    });
  }
  await last.promise;
  clock.stop();
  assert.deepEqual(rung.filter((each) => each !== "-").sort(), ["a", "b", "c"]);
  assert.equal(rung.findIndex((each) => each === "-"), 1, `${rung}`);
});

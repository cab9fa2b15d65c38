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

Deno.test("what rings again in a minute does so together with others, and never early; what is near is not put off", async () => {
  const clock = new Clock();
  const rung = Promise.withResolvers<void>();
  const start = clock.now();
  const asked = [start + 60_001, start + 60_350, start + 3_001];
  const handles = asked.map((at, i) => {
    return clock.set(start, {
      ring: () => {
        if (i === asked.length - 1) setTimeout(rung.resolve, 0);
        return at;
      },
    });
  });
  await rung.promise;
  clock.stop();
  const late = handles.map(({ at }, i) => at - asked[i]);
  assert.equal(late[2], 0);
  for (const ms of late) assert.ok(ms >= 0 && ms < 500, `${ms} ms late`);
  assert.deepEqual(handles.slice(0, 2).map(({ at }) => at % 500), [0, 0]);
});

Deno.test("the time of day goes with the count of the clock from ring to ring, and follows a step of the system's clock", async () => {
  using date = stubDate();
  const clock = new Clock();
  const before = clock.timeOfDay(0);
  const afterRing = async (ms: number) => {
    date.shift = ms;
    const { promise, resolve } = Promise.withResolvers<number>();
    clock.set(clock.now(), {
      ring: () => {
        resolve(clock.timeOfDay(0));
        return Infinity;
      },
    });
    return await promise - before;
  };
  for (let i = 0; i < 5; i++) assert.equal(await afterRing(0), 0, "whatever parts of a millisecond either clock is at");
  const hour = await afterRing(3_600_000);
  assert.ok(Math.abs(hour - 3_600_000) <= 1, `${hour}`);
  clock.stop();
});

/** A clock of the system that somebody sets. */
function stubDate(): Disposable & { shift: number } {
  const real = Date.now;
  const stub = { shift: 0, [Symbol.dispose]: () => void (Date.now = real) };
  Date.now = () => real() + stub.shift;
  return stub;
}

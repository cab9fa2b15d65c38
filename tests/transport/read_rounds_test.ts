import assert from "node:assert/strict";
import { ReadRounds } from "../../src/transport/read_rounds.ts";

Deno.test("who reads little does not wait for all who read much, nor for all that have gone", async () => {
  const rounds = new ReadRounds();
  const order: string[] = [];
  const reader = (name: string) => ({ read: () => void order.push(name) });
  for (let i = 0; i < 100; i++) rounds.again(reader("much"), 32 * 1024);
  for (let i = 0; i < 100; i++) rounds.last(reader("gone"));
  rounds.again(reader("little"), 10);
  const passed = rounds.pass();
  while (!order.includes("little")) await Promise.resolve();
  rounds.again(reader("again"), 10);
  await passed;
  assert.deepEqual(order.filter((name) => name === "much" || name === "gone").length, 200);
  assert.equal(order[0], "little");
  assert.ok(order.indexOf("again") < 50, `${order.indexOf("again")} before it`);
  assert.equal(order.indexOf("gone"), order.lastIndexOf("much") + 1, "in their order");
  rounds.close();
});

Deno.test("a look at the sockets that could not be had is tried again, and nobody waits for it", async () => {
  const { listen } = Deno;
  const rounds = new ReadRounds();
  let asked = 0;
  Deno.listen = (() => {
    asked++;
    throw new Deno.errors.Busy("no file descriptors are left");
  }) as unknown as typeof listen;
  try {
    await rounds.pass();
    await rounds.pass();
    assert.equal(asked, 2);
    Deno.listen = ((options: Deno.TcpListenOptions) => (asked++, listen(options))) as unknown as typeof listen;
    await rounds.pass();
    await rounds.pass();
    assert.equal(asked, 3, "one trip serves from then on");
  } finally {
    Deno.listen = listen;
    rounds.close();
  }
});

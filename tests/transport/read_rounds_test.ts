import assert from "node:assert/strict";
import { ReadRounds } from "../../src/transport/read_rounds.ts";

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

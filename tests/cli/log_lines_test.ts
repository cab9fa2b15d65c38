/** What the log of the program has of clients: a line each, in words for people. */
import { resetSync } from "@logtape/logtape";
import assert from "node:assert/strict";
import type { Authenticator, BrokerOptions, Policy } from "../../mod.ts";
import { openLog } from "../../src/cli/log.ts";
import { logHappenings } from "../../src/server/happening_log.ts";
import { happening } from "../embedding/waiting.ts";
import { TestBroker } from "../support/broker.ts";

async function linesOf(act: (broker: TestBroker) => Promise<void>, options: BrokerOptions = {}): Promise<string[]> {
  const lines: string[] = [];
  await using broker = await TestBroker.start(options);
  openLog({ level: "info", format: "text" }, (line) => lines.push(line.replace(/^.*weir: /, "")));
  const end = logHappenings(broker.broker);
  try {
    await act(broker);
  } finally {
    end();
    resetSync();
  }
  return lines;
}

for (const [version, name] of [[3, "3.1"], [4, "3.1.1"], [5, "5.0"]] as const) {
  Deno.test(`the log tells who comes with MQTT ${name}, and how they go`, async () => {
    const lines = await linesOf(async (broker) => {
      const client = await broker.connect({ version, clientId: "pump-7" });
      const gone = happening(broker.broker, "client-disconnected");
      await client.disconnect();
      await gone;
    });
    assert.deepEqual(lines, [
      `client pump-7 connected from 127.0.0.1 by tcp, MQTT ${name}`,
      "client pump-7 disconnected: normal",
    ]);
  });
}

Deno.test("the log tells the first subscription that is refused, and sums up the others, at the end too", async () => {
  const policy: Policy = { mayPublish: () => true, maySubscribe: () => false };
  const authenticator: Authenticator = { authenticate: () => ({ username: "bob", policy }) };
  const lines = await linesOf(async (broker) => {
    const client = await broker.connect({ clientId: "panel" });
    for (const filter of ["#", "home/a", "home/b"]) await client.subscribe(filter);
  }, { authenticator });
  assert.deepEqual(lines.slice(1), [
    "1 subscription of client panel refused: not-authorized; the last one to #",
    "2 subscriptions of client panel refused: not-authorized; the last one to home/b",
  ]);
});

Deno.test("a client whose name is not a plain word stands in quotes, so that it adds no words of its own", async () => {
  const lines = await linesOf(async (broker) => {
    for (const clientId of ["a disconnected: normal", "ä", "\u05d0", 'b"c']) await broker.connect({ clientId });
  });
  const names = lines.map((line) => /^client (.*) connected from/.exec(line)?.[1]);
  assert.deepEqual(names, ['"a disconnected: normal"', '"ä"', '"\u05d0"', '"b\\"c"']);
});

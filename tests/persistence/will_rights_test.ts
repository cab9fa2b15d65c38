/** Wills of clients whose rights were changed while the broker was down. */
import assert from "node:assert/strict";
import type { ConnectOptions } from "../support/client.ts";
import { committed, DurableBroker, texts } from "./durable_broker.ts";

function will(text: string, delay = 0): ConnectOptions["will"] {
  const terms = { qos: 1, retain: false, properties: { willDelayInterval: delay } };
  return { topic: `will/${text}`, payload: text, ...terms } as unknown as ConnectOptions["will"];
}

const ALLOWED = '- { permission: allow, filter: "#" }\n';

Deno.test("a will that a crash leaves behind is held against the rules of its user as they are by then", async () => {
  const rules = Deno.makeTempFileSync();
  Deno.writeTextFileSync(rules, ALLOWED);
  await using broker = await DurableBroker.start("kill", { WEIR_AUTH_ACL_FILE: rules });
  const watch = await broker.connect("watcher");
  await watch.subscribe("will/#", { qos: 1 });
  await broker.visitor({ will: will("orphan of ann"), username: "ann" });
  await broker.visitor({ will: will("orphan") });
  await broker.connect("kept", { will: will("kept, by its id") });
  await broker.connect("lost", { will: will("lost, by its id") });
  await broker.connect("delayed", { will: will("delayed and lost", 1) });
  await broker.connect("last", { will: will("delayed and kept", 1) });
  await committed(watch);
  await broker.end();
  Deno.writeTextFileSync(
    rules,
    '- { permission: deny, action: publish, filter: "will/orphan" }\n' +
      '- { permission: deny, action: publish, filter: "will/#", client_id: lost }\n' +
      '- { permission: deny, action: publish, filter: "will/#", address: 127.0.0.1, client_id: delayed }\n' +
      ALLOWED,
  );
  await broker.start();
  const back = await broker.connect("watcher");
  assert.deepEqual((await texts(back, 3)).sort(), ["delayed and kept", "kept, by its id", "orphan of ann"]);
  await committed(back);
  Deno.removeSync(rules);
});

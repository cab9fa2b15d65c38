/** Wills of clients whose rights were changed while the broker was down. */
import assert from "node:assert/strict";
import { SignJWT } from "jose";
import { usersText } from "../auth/served.ts";
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

const SECRET = "0123456789abcdef0123456789abcdef";

/** A token with rules of its own. */
function token(sub: string, filter: string): Promise<string> {
  const rules = { allow: [filter] };
  return new SignJWT({ sub, acl: { publish: rules, subscribe: rules } }).setProtectedHeader({ alg: "HS256" })
    .setExpirationTime("1h").sign(new TextEncoder().encode(SECRET));
}

Deno.test("after a crash a will needs what let its client in: rules that it brought, its user, a way to know it", async () => {
  const folder = Deno.makeTempDirSync();
  const files = { users: `${folder}/users`, secret: `${folder}/secret`, rules: `${folder}/rules` };
  const write = (name: keyof typeof files, text: string) => Deno.writeTextFileSync(files[name], text, { mode: 0o600 });
  write("secret", SECRET);
  write("users", await usersText({ ann: "pa", bob: "pb", watcher: "pw" }));
  write("rules", ALLOWED);
  const env = {
    WEIR_AUTH_USERS_FILE: files.users,
    WEIR_AUTH_ACL_FILE: files.rules,
    WEIR_AUTH_FAILED_LOGIN_DELAY: "0",
  };
  const tokens = { WEIR_AUTH_JWT_KEY_FILE: files.secret, WEIR_AUTH_JWT_ALGORITHMS: "HS256" };
  for (const [isTaken, expected] of [[true, ["own rules of tom", "user ann"]], [false, ["user ann"]]] as const) {
    write("users", await usersText({ ann: "pa", bob: "pb", watcher: "pw" }));
    await using broker = await DurableBroker.start("kill", { ...env, ...tokens });
    const watch = { username: "watcher", password: "pw" };
    const before = await broker.connect("watcher", watch);
    await before.subscribe("will/#", { qos: 1 });
    await broker.visitor({ will: will("own rules of tom"), password: await token("tom", "will/#"), username: "tom" });
    await broker.visitor({ will: will("user ann"), username: "ann", password: "pa" });
    await broker.visitor({ will: will("user bob"), username: "bob", password: "pb" });
    await committed(before);
    await broker.end();
    write("users", await usersText({ ann: "pa", bob: "pb disabled", watcher: "pw" }));
    await broker.start(isTaken ? {} : { WEIR_AUTH_JWT_KEY_FILE: "", WEIR_AUTH_JWT_ALGORITHMS: "" });
    const back = await broker.connect("watcher", watch);
    assert.deepEqual((await texts(back, expected.length)).sort(), expected);
    await committed(back);
  }
  Deno.removeSync(folder, { recursive: true });
});

import { resetSync } from "@logtape/logtape";
import assert from "node:assert/strict";
import { ALLOW_ALL, type Authenticator, type FailedLoginOptions, ScramSha256, type Verdict } from "../../mod.ts";
import { openLog } from "../../src/cli/log.ts";
import { LoginGuard } from "../../src/server/login_guard.ts";
import { Clock } from "../../src/server/clock.ts";
import type { Happening } from "../../mod.ts";
import { happening, inTime, turns, until } from "../embedding/waiting.ts";
import { TestBroker } from "../support/broker.ts";
import { ScramClient } from "./scram_client.ts";
import { Served, usersText } from "./served.ts";
import { usersOf } from "./users.ts";

/** Knows one password, after a turn of the event loop, and counts how often it is asked. */
class Counting implements Authenticator {
  asked = 0;
  async authenticate({ username, password }: Parameters<Authenticator["authenticate"]>[0]): Promise<Verdict> {
    this.asked++;
    await turns(1);
    if (new TextDecoder().decode(password) === "right") return { username, policy: ALLOW_ALL };
    return { refusal: "bad-user-name-or-password", reason: "User or password is wrong" };
  }
}

async function code(broker: TestBroker, password: string, version: 4 | 5 = 5): Promise<number | undefined> {
  const client = await broker.open(version);
  await client.send(client.connectPacket({ username: "u", password }));
  const connack = await client.expect("connack");
  return version === 5 ? connack.reasonCode : connack.returnCode;
}

Deno.test("brute force: after so many failures nobody at the address is looked at, told once, and in time they are again", async () => {
  const authenticator = new Counting();
  const failedLogins: FailedLoginOptions = { banAfter: 3, banMs: 400, memoryMs: 1_000 };
  await using broker = await TestBroker.start({ authenticator, failedLogins });
  const bans: Happening[] = [];
  broker.broker.watch((happening) => void (happening.kind === "address-banned" && bans.push(happening)));
  for (let n = 0; n < 3; n++) assert.equal(await code(broker, "wrong"), 0x86);
  for (let n = 0; n < 5; n++) assert.equal(await code(broker, n % 2 === 0 ? "right" : "wrong"), 0x8a);
  assert.equal(await code(broker, "right", 4), 5);
  assert.equal(authenticator.asked, 3, "no password is looked at during a ban");
  assert.deepEqual(bans, [{ kind: "address-banned", remoteAddress: "127.0.0.1", failures: 3, seconds: 1 }]);
  const start = performance.now();
  while (await code(broker, "right") !== 0) {
    assert.ok(performance.now() - start < 5_000);
    await turns(10);
  }
  const again = happening(broker.broker, "address-banned");
  assert.equal(await code(broker, "wrong"), 0x86, "the one chance after a ban");
  assert.equal((await again).failures, 4);
  assert.equal(await code(broker, "right"), 0x8a);
});

Deno.test("a client that is connected stays when its address is banned", async () => {
  const failedLogins: FailedLoginOptions = { banAfter: 1 };
  await using broker = await TestBroker.start({ authenticator: new Counting(), failedLogins });
  const client = await broker.connect({ username: "u", password: "right" });
  assert.equal(await code(broker, "wrong"), 0x86);
  assert.equal(await code(broker, "right"), 0x8a);
  await client.send({ cmd: "pingreq" });
  await client.expect("pingresp");
});

Deno.test("a flood of guesses at once is banned before it is all looked at, and every one of it is answered", async () => {
  const authenticator = new Counting();
  await using broker = await TestBroker.start({ authenticator, failedLogins: { banAfter: 10, delayMs: 50 } });
  const codes = await Promise.all(Array.from({ length: 200 }, () => code(broker, "wrong")));
  assert.ok(authenticator.asked < 10 + 8, `${authenticator.asked} of 200 were looked at`);
  assert.equal(codes.filter((each) => each === 0x86).length, authenticator.asked);
  assert.equal(codes.filter((each) => each === 0x8a).length, 200 - authenticator.asked);
});

Deno.test("logins of an exempt address do not wait for each other, and are never banned", async () => {
  const gate = Promise.withResolvers<void>();
  let asked = 0;
  const authenticator: Authenticator = {
    authenticate: async () => {
      asked++;
      await gate.promise;
      return { refusal: "bad-user-name-or-password", reason: "" };
    },
  };
  await using broker = await TestBroker.start({ authenticator, failedLogins: { banAfter: 3, isExempt: () => true } });
  const codes = Array.from({ length: 30 }, () => code(broker, "wrong"));
  await until(() => asked === 30, "all of them are looked at");
  gate.resolve();
  assert.deepEqual(new Set(await Promise.all(codes)), new Set([0x86]));
});

Deno.test("a flood of right passwords from one address is let in, some at a time", async () => {
  const authenticator = new Counting();
  await using broker = await TestBroker.start({ authenticator, failedLogins: { banAfter: 3 } });
  const codes = await Promise.all(Array.from({ length: 100 }, () => code(broker, "right")));
  assert.deepEqual([new Set(codes), authenticator.asked], [new Set([0]), 100]);
});

Deno.test("an authenticator that fails, or answers at once, leaves nobody waiting", async () => {
  let isExempt = false;
  const options = { banAfter: 1_000, isExempt: () => isExempt };
  const guard = new LoginGuard(options, { clock: new Clock(), tell: () => {} });
  let calls = 0;
  const guarded = guard.authenticator({
    authenticate: () => {
      calls++;
      isExempt = calls > 80; // those who wait by then do not wait for ever
      if (calls % 4 === 0) return Promise.reject(new Error("no database"));
      if (calls % 4 === 1) throw new Error("no database");
      return calls % 4 === 2
        ? turns(1).then(() => ({ username: "u", policy: ALLOW_ALL }))
        : { username: "u", policy: ALLOW_ALL };
    },
  });
  const origin = { remoteAddress: "192.0.2.7", listener: "tcp", protocolVersion: 5, clientId: "c" };
  const credentials = { ...origin, username: "u", password: undefined };
  const answers = Promise.allSettled(Array.from({ length: 100 }, async () => await guarded.authenticate(credentials)));
  assert.equal((await inTime(answers, "the answers")).length, 100);
  assert.equal(calls, 100);
});

Deno.test("a login that fails is answered after the delay, one that succeeds and the others at once", async () => {
  await using broker = await TestBroker.start({ authenticator: new Counting(), failedLogins: { delayMs: 1_000 } });
  const start = performance.now();
  let isAnswered = false;
  const wrong = code(broker, "wrong").finally(() => isAnswered = true);
  await code(broker, "right");
  assert.ok(!isAnswered, "nobody else waits");
  assert.equal(await wrong, 0x86);
  assert.ok(performance.now() - start >= 990);
});

Deno.test("who gives no name, or is refused for another reason, is not taken for a guesser", async () => {
  const verdicts: Verdict[] = [
    { refusal: "not-authorized", reason: "" },
    { refusal: "server-busy", reason: "" },
    { refusal: "server-unavailable", reason: "" },
  ];
  let next = 0;
  await using broker = await TestBroker.start({
    authenticator: { authenticate: () => verdicts[next++ % verdicts.length] },
    failedLogins: { banAfter: 1 },
  });
  const codes = [await code(broker, ""), await code(broker, ""), await code(broker, ""), await code(broker, "")];
  assert.deepEqual(codes, [0x87, 0x89, 0x88, 0x87]);
});

Deno.test("guesses by SCRAM count as well, and a ban holds for both ways", async () => {
  const users = await usersOf({ user: "pencil" });
  await using broker = await TestBroker.start({
    authenticationMethods: [new ScramSha256((name) => users.get(name))],
    authenticator: new Counting(),
    failedLogins: { banAfter: 2 },
  });
  for (const expected of [0x86, 0x86, 0x8a]) {
    const client = await broker.open();
    const scram = new ScramClient("user", "wrong");
    const properties = { authenticationMethod: "SCRAM-SHA-256", authenticationData: scram.first() };
    await client.send(client.connectPacket({ properties }));
    const packet = await client.next();
    if (packet?.cmd === "auth") {
      const authenticationData = scram.final(scram.onServerFirst(packet.properties!.authenticationData!));
      const answer = { authenticationMethod: "SCRAM-SHA-256", authenticationData };
      await client.send({ cmd: "auth", reasonCode: 0x18, properties: answer } as never);
      assert.equal((await client.expect("connack")).reasonCode, expected);
    } else assert.equal((packet as { reasonCode?: number }).reasonCode, expected);
  }
  assert.equal(await code(broker, "right"), 0x8a);
});

Deno.test("guesses by datagrams, whose address may be anybody's, ban nobody who connects from there", async () => {
  const counting = new Counting();
  await using broker = await TestBroker.start({ authenticator: counting, failedLogins: { banAfter: 2 } });
  const { gateway } = broker.broker;
  const who = { remoteAddress: "127.0.0.1", listener: "coap", username: "ann", password: new Uint8Array(1) };
  for (const refusal of ["bad-user-name-or-password", "bad-user-name-or-password", "banned"]) {
    await assert.rejects(gateway.admit({ ...who, isUnproven: true }), { refusal });
  }
  await assert.rejects(gateway.admit(who), { refusal: "bad-user-name-or-password" });
  assert.equal(await code(broker, "right"), 0);
});

Deno.test("as the program runs it: loopback is exempt unless that is taken away, and the log tells of bans and no password", async () => {
  const users = await usersText({ ann: "pencil" });
  const yaml = `auth: { users_file: "FOLDER/users", ban_after: 2`;
  {
    await using served = await Served.start(`${yaml} }`, { users });
    for (let n = 0; n < 4; n++) assert.equal(await served.code({ username: "ann", password: "wrong" }), 0x86);
    assert.equal(await served.code({ username: "ann", password: "pencil" }), 0);
  }
  const lines: string[] = [];
  openLog({ level: "debug", format: "text" }, (line) => lines.push(line));
  await using served = await Served.start(`${yaml}, ban_exempt: "10.0.0.0/8" }`, { users });
  const ann = await served.connect({ username: "ann", password: "pencil" });
  for (const expected of [0x86, 0x86, 0x8a]) {
    assert.equal(await served.code({ username: "ann", password: "s3cret" }), expected);
  }
  await ann.send({ cmd: "pingreq" });
  await ann.expect("pingresp");
  resetSync();
  assert.ok(lines.some((line) => /banned.*127\.0\.0\.1.*for 60 s after 2 logins/.test(line)), lines.join("\n"));
  assert.ok(lines.some((line) => /closed: bad-user-name-or-password/.test(line)), lines.join("\n"));
  assert.ok(!lines.some((line) => /s3cret|pencil|scrypt/.test(line)));
});

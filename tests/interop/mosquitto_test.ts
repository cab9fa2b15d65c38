/** Debian's Mosquitto clients against the broker, in every version that they speak. */

import assert from "node:assert/strict";
import type { Authenticator } from "../../src/auth/authenticator.ts";
import type { BrokerOptions } from "../../src/server/options.ts";
import { TestBroker } from "../support/broker.ts";
import { requires } from "../support/skip.ts";
import { Mosquitto, type MosquittoVersion } from "./mosquitto_programs.ts";
import { departure, happening } from "./patience.ts";

const PROGRAMS = ["mosquitto_pub", "mosquitto_sub", "mosquitto_rr"];
const LINES = Array.from({ length: 5_000 }, (_, number) => `line ${number}`);

/** Lets everybody in but mallory, and nobody touch `secret/`. */
const GUARD: Authenticator = {
  authenticate({ username }) {
    if (username === "mallory") return { refusal: "bad-user-name-or-password", reason: "User or password is wrong" };
    const isOpen = (topic: string) => !topic.startsWith("secret/");
    return {
      username,
      policy: { mayPublish: (_, topic) => isOpen(topic), maySubscribe: (_, filter) => isOpen(filter) },
    };
  },
};

for (const version of ["mqttv31", "mqttv311", "mqttv5"] as const) {
  const isV5 = version === "mqttv5";

  test(version, "publish and subscribe at each QoS", async ({ mosquitto }) => {
    for (const granted of [0, 1, 2]) {
      const args = ["-t", "q/#", "-q", `${granted}`, "-F", "%t %q %r %p", "-C", "3"];
      const subscriber = await mosquitto.subscribe(args);
      for (const qos of [0, 1, 2]) await mosquitto.mustPublish(["-t", `q/${qos}`, "-q", `${qos}`, "-m", "grüße"]);
      const { code, out, errors } = await subscriber.ended(); // -C 3: it says DISCONNECT after the third
      assert.deepEqual({ code, errors }, { code: 0, errors: "" });
      const expected = [0, 1, 2].map((qos) => `q/${qos} ${Math.min(qos, granted)} 0 grüße`);
      assert.deepEqual(out.trimEnd().split("\n").toSorted(), expected); // by topic: QoS 2 is told at its PUBREL
    }
  });

  test(version, "thousands of lines of one publisher arrive in order", async ({ mosquitto }) => {
    for (const qos of ["0", "1", "2"]) {
      const subscriber = await mosquitto.subscribe(["-t", "lines", "-q", qos, "-C", `${LINES.length}`]);
      await mosquitto.mustPublish(["-t", "lines", "-q", qos, "-l"], { input: `${LINES.join("\n")}\n` });
      const { code, out } = await subscriber.ended();
      assert.equal(code, 0);
      assert.deepEqual(out.trimEnd().split("\n"), LINES, `QoS ${qos}`);
    }
  });

  test(version, "a whole file of 900 KB as one message, and an empty one", async ({ mosquitto }) => {
    const text = "0123456789abcdef".repeat(56 * 1024);
    const subscriber = await mosquitto.subscribe(["-t", "large/+", "-q", "1", "-C", "2", "-F", "%l %p"]);
    await mosquitto.mustPublish(["-t", "large/1", "-q", "1", "-s"], { input: text });
    await mosquitto.mustPublish(["-t", "large/2", "-q", "1", "-n"]);
    assert.equal((await subscriber.ended()).out, `${text.length} ${text}\n0 \n`);
  });

  test(version, "retained messages come first and are removed by who asks for it", async ({ broker, mosquitto }) => {
    for (const name of ["a", "b", "c"]) {
      await mosquitto.mustPublish(["-t", `kept/${name}`, "-r", "-q", "1", "-m", name]);
    }
    await mosquitto.mustPublish(["-t", "kept/c", "-r", "-q", "1", "-n"]);
    const kept = await mosquitto.collect(["-t", "kept/#", "-q", "1", "-C", "2", "-F", "%t %r %p"]);
    assert.deepEqual(kept.out.trimEnd().split("\n").toSorted(), ["kept/a 1 a", "kept/b 1 b"]);
    const only = await mosquitto.subscribe(["-t", "kept/a", "-q", "1", "--retained-only"]);
    assert.equal(await only.lines.next(), "a");
    await mosquitto.mustPublish(["-t", "kept/a", "-q", "1", "-m", "live"]); // ends it, being the first that is not retained
    assert.equal((await only.ended()).out, "a\n");
    const cleared = happening(broker.broker, (it) => it.kind === "retained-cleared" && it.topic === "kept/b");
    const removing = await mosquitto.subscribe(["-t", "kept/#", "--remove-retained", "-T", "kept/a"]);
    await cleared;
    await removing.kill(); // with -C mosquitto_sub 2.0 says DISCONNECT and does not end, at its own broker neither
    const late = await mosquitto.subscribe(["-t", "kept/#", "-q", "1", "-C", "2"]);
    await mosquitto.mustPublish(["-t", "kept/z", "-q", "1", "-m", "last"]);
    assert.equal((await late.ended()).out, "a\nlast\n");
  });

  test(version, "the will of a client that is killed, retained and at its QoS", async ({ mosquitto }) => {
    const heir = await mosquitto.subscribe(["-t", "wills/#", "-q", "2", "-F", "%t %q %r %p"]);
    const will = ["--will-topic", "wills/one", "--will-payload", "killed", "--will-qos", "2", "--will-retain"];
    const dying = await mosquitto.subscribe(["-t", "x", ...will]);
    await dying.kill();
    assert.equal(await heir.lines.next(), "wills/one 2 0 killed");
    assert.equal((await mosquitto.collect(["-t", "wills/+", "-C", "1", "-v"])).out, "wills/one killed\n");
    const leaving = await mosquitto.subscribe(["-t", "x", "-C", "1", "--will-topic", "wills/two"]);
    await mosquitto.mustPublish(["-t", "x", "-m", "go"]);
    await leaving.ended();
    // -W 1: leaves after a second, in v5 with the reason 0x04, which asks for the will
    await mosquitto.collect(["-t", "x", "-W", "1", "--will-topic", "wills/three", "--will-payload", "asked"]);
    await mosquitto.mustPublish(["-t", "wills/end", "-q", "1", "-m", "end"]);
    if (isV5) assert.equal(await heir.lines.next(), "wills/three 0 0 asked");
    assert.equal(await heir.lines.next(), "wills/end 1 0 end");
  });

  test(version, "a lasting session keeps what is published meanwhile", async ({ broker, mosquitto }) => {
    const session = ["-c", "-i", "lasting", "-t", "queue/#", "-q", "2"];
    const left = departure(broker.broker, "lasting");
    assert.equal((await mosquitto.collect([...session, "-E"])).code, 0); // -E: subscribes and leaves
    await left;
    for (const qos of ["1", "2"]) {
      await mosquitto.mustPublish(["-t", `queue/${qos}`, "-q", qos, "-l"], {
        input: `${LINES.slice(0, 500).join("\n")}\n`,
      });
    }
    const { out } = await mosquitto.collect([...session, "-C", "1000", "-F", "%q %p"]);
    const received = out.trimEnd().split("\n");
    for (const qos of ["1", "2"]) {
      const own = received.filter((line) => line.startsWith(qos)).map((line) => line.slice(2));
      assert.deepEqual(own, LINES.slice(0, 500), `QoS ${qos}`);
    }
    const clean = await mosquitto.subscribe(["-i", "lasting", "-t", "queue/#", "-C", "1"]); // a clean session ends the old one
    await mosquitto.mustPublish(["-t", "queue/new", "-m", "new"]);
    assert.equal((await clean.ended()).out, "new\n");
  });

  test(version, "a second client with the same id takes the place of the first", async ({ mosquitto }) => {
    const first = await mosquitto.subscribe(["-i", "twin", "-t", "twins"]);
    const second = await mosquitto.subscribe(["-i", "twin", "-t", "twins", "-C", "1"]);
    await first.kill(); // before v5, which tells it why, it would connect again and so end the second
    await mosquitto.mustPublish(["-t", "twins", "-q", "1", "-m", "for one"]);
    const { code, out } = await second.ended();
    assert.deepEqual([code, out], [0, "for one\n"]);
  });

  test(version, "a group shares the lines among its members", async ({ mosquitto }) => {
    const members = [];
    const args = ["-t", "$share/g/jobs/+", "-t", "ends", "-q", "1"];
    for (let count = 0; count < 3; count++) members.push(await mosquitto.subscribe(args));
    await mosquitto.mustPublish(["-t", "jobs/new", "-q", "1", "-l"], { input: `${LINES.slice(0, 300).join("\n")}\n` });
    await mosquitto.mustPublish(["-t", "ends", "-q", "1", "-m", "end"]);
    const shares = [];
    for (const { lines } of members) shares.push(await lines.before("end"));
    for (const share of shares) assert.ok(share.length > 0, "a member was left out");
    const inOrder = shares.flat().toSorted((one, other) => LINES.indexOf(one) - LINES.indexOf(other));
    assert.deepEqual(inOrder, LINES.slice(0, 300));
  });

  test(version, "who is refused is told so", async ({ mosquitto }) => {
    const stranger = await mosquitto.publish(["-u", "mallory", "-P", "x", "-t", "open", "-m", "x"]);
    assert.equal(stranger.code, isV5 ? 0x86 : 4);
    assert.match(stranger.errors, /bad user name or password/i);
    for (const qos of ["1", "2"]) {
      const denied = await mosquitto.publish(["-q", qos, "-t", "secret/x", "-m", "x"]);
      assert.equal(denied.code, 0);
      if (isV5) assert.match(denied.errors, /Publish 1 failed: Not authorized/);
      else assert.equal(denied.errors, "");
    }
    const curious = await mosquitto.collect(["-t", "secret/#"]);
    assert.match(curious.errors, /All subscription requests were denied/);
    assert.equal((await mosquitto.publish(["-t", "a/#", "-m", "x"])).code, 1, "mosquitto_pub refuses it itself");
  }, { authenticator: GUARD });
}

test("mqttv5", "the properties of a message as -F prints them", async ({ mosquitto }) => {
  const format = "%t|%q|%r|%C|%D|%E|%F|%P|%R|%S|%p";
  const identifier = ["-D", "subscribe", "subscription-identifier", "77"];
  const live = await mosquitto.subscribe(["-t", "full", "-q", "1", "-C", "1", "-F", format, ...identifier]);
  const properties = [
    ["user-property", "twice", "second"],
    ["user-property", "twice", "first"],
    ["content-type", "text/plain"],
    ["message-expiry-interval", "600"],
    ["response-topic", "answers/one"],
    ["correlation-data", "id-1"],
    ["payload-format-indicator", "1"],
  ].flatMap((property) => ["-D", "publish", ...property]);
  await mosquitto.mustPublish(["-t", "full", "-q", "2", "-r", "-m", "tüxt", ...properties]);
  const rest = "text/plain|id-1|600|1|twice:second twice:first|answers/one|77|tüxt\n";
  assert.equal((await live.ended()).out, `full|1|0|${rest}`);
  const late = await mosquitto.collect(["-t", "full", "-q", "2", "-C", "1", "-F", format, ...identifier]);
  assert.match(
    late.out.replace(/\|59\d\|/, "|600|"),
    new RegExp(`^full\\|2\\|1\\|${RegExp.escape(rest)}$`),
  );
});

test("mqttv5", "a session of its own length, its properties and those of a will", async ({ broker, mosquitto }) => {
  const heir = await mosquitto.subscribe(["-t", "wills", "-F", "%C|%P|%p"]);
  const will = ["--will-topic", "wills", "--will-payload", "gone"]
    .concat(["-D", "will", "content-type", "text/plain", "-D", "will", "user-property", "a", "b"])
    .concat(["-D", "will", "will-delay-interval", "1"]);
  // no topic-alias-maximum: mosquitto_sub announces one and takes the first alias for a protocol error
  const properties = ["-D", "connect", "receive-maximum", "2", "-D", "connect", "user-property", "a", "b"];
  const session = ["-c", "-x", "300", "-i", "lasting", "-t", "queue/+", "-q", "2", ...properties];
  const dying = await mosquitto.subscribe([...session, ...will]);
  const gone = departure(broker.broker, "lasting");
  await dying.kill();
  await gone;
  await mosquitto.mustPublish(["-t", "queue/a", "-q", "2", "-l"], { input: `${LINES.slice(0, 200).join("\n")}\n` });
  assert.equal(await heir.lines.next(), "text/plain|a:b|gone");
  const { out } = await mosquitto.collect([...session, "-C", "200", "-F", "%t %p"]); // two at a time
  assert.deepEqual(out.trimEnd().split("\n"), LINES.slice(0, 200).map((line) => `queue/a ${line}`));
});

test("mqttv5", "a session expires when its time is over", async ({ broker, mosquitto }) => {
  const ended = happening(broker.broker, (it) => it.kind === "session-ended" && it.clientId === "brief");
  await mosquitto.collect(["-D", "connect", "session-expiry-interval", "1", "-i", "brief", "-t", "a", "-E"]);
  const end = await ended;
  assert.ok(end.kind === "session-ended" && end.cause === "expired", JSON.stringify(end));
});

test("mqttv5", "lines published by topic alias keep their topic", async ({ mosquitto }) => {
  const subscriber = await mosquitto.subscribe(["-t", "alias/#", "-q", "1", "-C", "100", "-v"]);
  const alias = ["-D", "publish", "topic-alias", "3"]; // mosquitto_pub sends the topic along with the first only
  await mosquitto.mustPublish(["-t", "alias/long", "-q", "1", "-l", ...alias], {
    input: `${LINES.slice(0, 100).join("\n")}\n`,
  });
  const expected = LINES.slice(0, 100).map((line) => `alias/long ${line}`);
  assert.deepEqual((await subscriber.ended()).out.trimEnd().split("\n"), expected);
});

for (const version of ["mqttv311", "mqttv5"] as const) {
  test(version, "mosquitto_rr gets the answer of a program beside the broker", async ({ broker, mosquitto }) => {
    const answering = answerOnce(broker);
    const { code, out } = await mosquitto.request(["-t", "questions", "-e", "answers/rr", "-q", "1", "-m", "why?"]);
    assert.deepEqual([code, out], [0, "WHY?\n"]);
    await answering;
  });
}

/** Answers one request, at the topic that it names, or at `answers/rr` when its version has no such thing. */
async function answerOnce({ broker }: TestBroker): Promise<void> {
  for await (const { payload, responseTopic = "answers/rr", correlationData } of broker.subscribe("questions")) {
    const answer = new TextDecoder().decode(payload).toUpperCase();
    await broker.publish({ topic: responseTopic, payload: answer, correlationData, qos: 1 });
    break;
  }
}

/** Declares a test with a broker and the programs that speak `version` to it. */
function test(
  version: MosquittoVersion,
  name: string,
  fn: (stage: { broker: TestBroker; mosquitto: Mosquitto }) => Promise<void>,
  options: BrokerOptions = {},
): void {
  const definition = {
    name: `Mosquitto ${version}: ${name}`,
    async fn() {
      await using broker = await TestBroker.start(options);
      await using mosquitto = new Mosquitto(broker, version);
      await fn({ broker, mosquitto });
    },
  };
  Deno.test(requires(PROGRAMS, definition));
}

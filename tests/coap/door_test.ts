import assert from "node:assert/strict";
import { ALLOW_ALL, type Happening } from "../../mod.ts";
import { Code, formatCode, MessageType, OptionNumber, uintOf, uintOption } from "../../src/bridge/coap/message.ts";
import { optionsOf } from "./options.ts";
import { DoorScene, type DoorSceneOptions, type Request, text, textOf, valueOf } from "./door_scene.ts";

function test(name: string, play: (scene: DoorScene) => Promise<void>, options: DoorSceneOptions = {}): void {
  Deno.test(`CoAP door: ${name}`, async () => {
    await using scene = await DoorScene.start(options);
    await play(scene);
    assert.deepEqual(scene.errors, []);
  });
}

const get = (path: string, options: Request["options"] = []): Request => ({ code: Code.get, path, options });
const post = (path: string, payload = text("x"), options: Request["options"] = []): Request => {
  return { code: Code.post, path, options, payload };
};
const long = "x".repeat(255);

/** Request -> the answer's code and the beginning of its words. */
const REFUSED: readonly (readonly [Request, string, string])[] = [
  [get("/"), "4.04", "Cannot find the path"],
  [get("/health/x"), "4.04", "Cannot find the path"],
  [get("/ps"), "4.00", "Cannot find a topic in the path"],
  [get("/ps/a"), "4.04", "Cannot read the topic"],
  [get("/ps/a/%2B"), "4.00", "Cannot read a topic with wildcards"],
  [get("/ps/a/.."), "4.00", "Cannot accept a path: a segment cannot be . or .."],
  [get("/ps/./a"), "4.00", "Cannot accept a path: a segment cannot be . or .."],
  [post("/ps/a%2Fb"), "4.00", "Cannot accept a path: a segment cannot hold a slash"],
  [post("/ps/a%00"), "4.00", 'Cannot publish to "a\\u0000"'],
  [post("/ps/a/%23"), "4.00", 'Cannot publish to "a/#"'],
  [post("/ps/a/b%2Bc"), "4.00", 'Cannot publish to "a/b+c"'],
  [post(`/ps${`/${long}`.repeat(200)}`), "4.00", "Cannot publish to"],
  [post("/ps/a?qos=3"), "4.00", 'Cannot accept qos="3": it lies between 0 and 2'],
  [post("/ps/a?retain=maybe"), "4.00", 'Cannot accept retain="maybe"'],
  [post("/ps/a?expiry=-1"), "4.00", 'Cannot accept expiry="-1"'],
  [post("/ps/a?qos=1&qos=1"), "4.00", 'Cannot accept "qos" twice'],
  [post("/ps/a?colour=red"), "4.00", 'Cannot accept "colour" in the query'],
  [post("/ps/a?username=u"), "4.01", "Cannot take credentials from a URI"],
  [post("/health"), "4.05", "Cannot use this method here"],
  [{ code: 5, path: "/ps/a" }, "4.05", "Cannot use this method here"],
  [get("/health", [uintOption(OptionNumber.accept, 60)]), "4.06", "Cannot send content format 60"],
  [get("/health", [{ number: 9999, value: text("x") }]), "4.02", "Cannot accept option 9999"],
  [get("/health", [{ number: OptionNumber.uriHost, value: text("") }]), "4.02", "Cannot accept option 3"],
  [
    get("/health", [uintOption(OptionNumber.accept, 1), uintOption(OptionNumber.accept, 1)]),
    "4.02",
    "Cannot accept option",
  ],
  [
    get("/ps/a", [{ number: OptionNumber.uriPath, value: Uint8Array.of(0xff) }]),
    "4.02",
    "Cannot accept a path or query",
  ],
  [get("/ps/a", [{ number: OptionNumber.proxyUri, value: text("coap://x/") }]), "5.05", "Cannot forward"],
  [get("/ps/a", [{ number: OptionNumber.proxyScheme, value: text("coap") }]), "5.05", "Cannot forward"],
  [get("/health", [uintOption(OptionNumber.block2, 7)]), "4.00", "Cannot accept block size exponent 7"],
  [get("/health", [uintOption(OptionNumber.block2, 16 * 9 + 6)]), "4.00", "Cannot send block 9: there are 1"],
  [post("/ps/a", text("x"), [uintOption(OptionNumber.block1, 16 * 2)]), "4.08", "Cannot put the body together"],
  [post("/ps/a", text("x"), [uintOption(OptionNumber.block1, 8)]), "4.00", "Cannot accept a block of 1 bytes"],
  [post("/ps/a", new Uint8Array(8_193)), "4.13", "Cannot accept 8193 bytes: the maximum is 8192"],
  [post("/ps/a", text("x"), [uintOption(OptionNumber.contentFormat, 9)]), "4.15", "Cannot accept content format 9"],
  [
    post("/ps/a", Uint8Array.of(0xff), [uintOption(OptionNumber.contentFormat, 0)]),
    "4.00",
    "Cannot accept the payload",
  ],
];

test("what is wrong is refused with its code and in words", async (scene) => {
  const client = scene.client(1);
  await scene.ask(client, get("/.well-known/core")); // proves the address, so that words are not cut
  for (const [request, code, words] of REFUSED) {
    const answer = await scene.ask(client, request);
    const what = `${formatCode(request.code)} ${request.path.slice(0, 40)}`;
    assert.equal(formatCode(answer.code), code, `${what}: ${textOf(answer)}`);
    assert.ok(textOf(answer).startsWith(words), `${what}: ${textOf(answer)}`);
    assert.ok(answer.payload.length <= 160);
  }
});

test("a critical option that is not known rejects a message that wants no acknowledgement (RFC 7252 section 5.4.1)", async (scene) => {
  const client = scene.client(1);
  const ask = async (number: number) => {
    const options = [...optionsOf("/ps/a"), { number, value: text("x") }];
    const pending = client.request({ code: Code.post, options, payload: text("x"), isConfirmable: false });
    await scene.pass(3_000);
    return pending;
  };
  const reader = scene.broker.subscribe("a").getReader();
  const { isSettled, responses } = await ask(9999);
  assert.deepEqual([isSettled, responses], [true, []], "a reset, and no answer");
  const [{ code, type }] = (await ask(9998)).responses;
  assert.deepEqual([code, type], [Code.changed, MessageType.nonConfirmable]);
  assert.equal((await reader.read()).done, false);
  await reader.cancel();
});

test("a client that asks for small blocks gets such from the first one on (RFC 7959 section 2.4)", async (scene) => {
  const client = scene.client(1);
  await scene.broker.publish({ topic: "a", payload: "x".repeat(150), retain: true });
  const block = async (number: number, sizeExponent: number) => {
    const answer = await scene.ask(client, get("/ps/a", [uintOption(OptionNumber.block2, number * 16 + sizeExponent)]));
    return [answer.payload.length, uintOf(valueOf(answer, OptionNumber.block2)!)];
  };
  assert.deepEqual(await block(0, 2), [64, 0 * 16 + 8 + 2]);
  assert.deepEqual(await block(1, 2), [64, 1 * 16 + 8 + 2]);
  assert.deepEqual(await block(2, 2), [22, 2 * 16 + 0 + 2]);
  assert.deepEqual(await block(4, 1), [22, 4 * 16 + 0 + 1], "and smaller ones on the way");
});

test("elective options that are not known, or too long, are ignored", async (scene) => {
  const options = [{ number: 9998, value: text("x") }, { number: OptionNumber.etag, value: new Uint8Array(9) }];
  assert.equal((await scene.ask(scene.client(1), get("/health", options))).code, Code.content);
});

test("a message that the client has is not sent again, and one that expires says when", async (scene) => {
  const client = scene.client(1);
  await scene.ask(client, post("/ps/a?retain=true&expiry=50"));
  const first = await scene.ask(client, get("/ps/a"));
  const age = uintOf(valueOf(first, OptionNumber.maxAge)!);
  assert.ok(age > 40 && age <= 50, `${age}`);
  const etag = { number: OptionNumber.etag, value: valueOf(first, OptionNumber.etag)! };
  const again = await scene.ask(client, get("/ps/a", [etag]));
  assert.deepEqual([again.code, again.payload.length], [Code.valid, 0]);
  await scene.ask(client, post("/ps/a?retain=true", text("y")));
  assert.equal(textOf(await scene.ask(client, get("/ps/a", [etag]))), "y");
  assert.equal(valueOf(await scene.ask(client, get("/ps/a")), OptionNumber.maxAge), undefined);
});

test("If-None-Match publishes where nothing is retained, If-Match where what is retained is known", async (scene) => {
  const client = scene.client(1);
  const ifMatch = (value: Uint8Array) => ({ number: OptionNumber.ifMatch, value });
  const ifNoneMatch = { number: OptionNumber.ifNoneMatch, value: new Uint8Array(0) };
  const put = async (options: Request["options"], payload: string) => {
    const answer = await scene.ask(client, { code: Code.put, path: "/ps/a", options, payload: text(payload) });
    return formatCode(answer.code);
  };
  const read = () => scene.ask(client, get("/ps/a"));
  const [any, other] = [ifMatch(new Uint8Array(0)), ifMatch(text("other"))];
  assert.equal(await put([any], "0"), "4.12", "there is none");
  assert.equal(await put([ifNoneMatch], "1"), "2.01");
  assert.equal(await put([ifNoneMatch], "2"), "4.12");
  const etag = ifMatch(valueOf(await read(), OptionNumber.etag)!);
  assert.equal(await put([other], "3"), "4.12");
  assert.equal(await put([etag, ifNoneMatch], "4"), "4.12", "both have to hold");
  assert.equal(textOf(await read()), "1");
  assert.equal(await put([other, etag], "5"), "2.04");
  assert.equal(await put([etag], "6"), "4.12", "it has changed");
  assert.equal(await put([any], "7"), "2.04");
  const remove = (options: Request["options"]) => scene.ask(client, { code: Code.delete, path: "/ps/a", options });
  assert.equal(formatCode((await remove([etag])).code), "4.12");
  assert.equal(formatCode((await remove([any])).code), "2.02");
  assert.equal((await scene.ask(client, get("/ps/a", [any]))).code, Code.badOption, "nothing is changed by it");
  assert.equal(await put([ifMatch(new Uint8Array(9))], "8"), "4.02");
});

test("of two that come at once with If-None-Match one is published", async (scene) => {
  const options = [{ number: OptionNumber.ifNoneMatch, value: new Uint8Array(0) }];
  const pending = [1, 2].map((port) => {
    return scene.send(scene.client(port), { code: Code.put, path: "/ps/a", options, payload: text(`${port}`) });
  });
  for (let count = 0; count < 50 && pending.some(({ responses }) => responses.length === 0); count++) {
    await scene.pass(20);
  }
  assert.deepEqual(pending.map(({ responses: [{ code }] }) => formatCode(code)).toSorted(), ["2.01", "4.12"]);
});

test("content formats and content types are each other", async (scene) => {
  const client = scene.client(1);
  const reader = scene.broker.subscribe("#").getReader();
  for (const [format, type] of [[0, "text/plain; charset=utf-8"], [50, "application/json"], [60, "application/cbor"]]) {
    const path = "/ps/a?retain=true";
    await scene.ask(client, post(path, text("x"), [uintOption(OptionNumber.contentFormat, format as number)]));
    const { value } = await reader.read();
    assert.deepEqual([value?.contentType, value?.payloadIsUtf8], [type, format === 0 ? true : undefined]);
    const answer = await scene.ask(client, get("/ps/a"));
    assert.equal(uintOf(valueOf(answer, OptionNumber.contentFormat)!), format);
  }
  await scene.broker.publish({ topic: "a", payload: "x", retain: true, contentType: "Text/Plain" });
  assert.equal(valueOf(await scene.ask(client, get("/ps/a")), OptionNumber.contentFormat)?.length, 0);
  await scene.broker.publish({ topic: "a", payload: "x", retain: true, contentType: "a/b" });
  const unnamed = await scene.ask(client, get("/ps/a", [uintOption(OptionNumber.accept, 42)]));
  assert.deepEqual([unnamed.code, valueOf(unnamed, OptionNumber.contentFormat)], [Code.content, undefined]);
});

test("a body comes together of its blocks, and two bodies under two tags are two", async (scene) => {
  const client = scene.client(1);
  const reader = scene.broker.subscribe("#").getReader();
  const block = (tag: number, number: number, isLast: boolean) => {
    const options = [
      uintOption(OptionNumber.block1, number * 16 + (isLast ? 0 : 8)),
      uintOption(OptionNumber.requestTag, tag),
    ];
    return scene.ask(client, post("/ps/a", text(`${tag}${number}`.padEnd(isLast ? 3 : 16, "-")), options));
  };
  for (const tag of [1, 2]) assert.equal((await block(tag, 0, false)).code, Code.continue);
  for (const tag of [1, 2]) assert.equal((await block(tag, 1, false)).code, Code.continue);
  const last = await block(2, 2, true);
  assert.deepEqual([last.code, uintOf(valueOf(last, OptionNumber.block1)!)], [Code.changed, 32]);
  assert.equal(new TextDecoder().decode((await reader.read()).value?.payload), "20--------------21--------------22-");
  assert.equal((await block(2, 2, true)).code, Code.requestEntityIncomplete, "it is over");
  assert.equal((await block(1, 2, true)).code, Code.changed);
  assert.equal(scene.door.statistics.bodies, 0);
});

test("an announced size beyond the limit is refused with the first block, and says what the limit is", async (scene) => {
  const options = [uintOption(OptionNumber.block1, 8), uintOption(OptionNumber.size1, 0xffff_ffff)];
  const answer = await scene.ask(scene.client(1), post("/ps/a", new Uint8Array(16), options));
  assert.deepEqual([answer.code, uintOf(valueOf(answer, OptionNumber.size1)!)], [Code.requestEntityTooLarge, 8_192]);
  assert.equal(scene.door.statistics.bodies, 0);
});

test("who asks too often is told when to come back, and then nothing; others are served", async (scene) => {
  const client = scene.client(1);
  const pending = Array.from({ length: 60 }, () => scene.send(client, get("/health")));
  await scene.pass(10);
  const codes = pending.flatMap(({ responses }) => responses.slice(0, 1)).map(({ code }) => code);
  const count = (code: number) => codes.filter((each) => each === code).length;
  assert.equal(count(Code.content), 20);
  const refusals = count(Code.tooManyRequests);
  assert.ok(refusals === 20 || refusals === 21, `${refusals}: the time that passes fills the bucket a little`);
  assert.equal(codes.length, 20 + refusals, "the others hear nothing");
  const refused = pending.flatMap(({ responses }) => responses).find(({ code }) => code === Code.tooManyRequests)!;
  assert.ok(uintOf(valueOf(refused, OptionNumber.maxAge)!) >= 1);
  await scene.pass(60_000);
  assert.equal((await scene.ask(client, get("/health"))).code, Code.content);
}, { limits: { requestsPerSecondMax: 10 } });

const authenticator = {
  authenticate: ({ username, password }: { username?: string; password?: Uint8Array }) => {
    if (username === "alice" && new TextDecoder().decode(password) === "s3cret") {
      const policy = { ...ALLOW_ALL, mayPublish: (_: unknown, topic: string) => topic !== "secret" };
      return { username, policy: { ...policy, maySubscribe: (_: unknown, filter: string) => filter !== "secret" } };
    }
    return { refusal: "bad-user-name-or-password", reason: "Cannot let you in: name or password is wrong" } as const;
  },
};

test("who logs in does so in the query, where that is allowed, and is held to its policy", async (scene) => {
  const happenings: Happening[] = [];
  scene.broker.watch((happening) => happenings.push(happening));
  const client = scene.client(1);
  const code = async (request: Request) => formatCode((await scene.ask(client, request)).code);
  const alice = "?username=alice&password=s3cret";
  assert.equal(await code(post(`/ps/a${alice}`)), "2.04");
  assert.equal(await code(post("/ps/a?username=alice&authorization=s3cret&client_id=sensor")), "2.04");
  assert.equal(await code(post(`/ps/secret${alice}`)), "4.03");
  assert.equal(await code(get(`/ps/secret${alice}`, [uintOption(OptionNumber.observe, 0)])), "4.03");
  for (let count = 0; count < 5; count++) assert.equal(await code(post("/ps/a?username=alice&password=wr0ng")), "4.01");
  assert.equal(await code(post("/ps/a")), "4.29", "five were wrong");
  await scene.pass(61_000);
  assert.equal(await code(post("/ps/a")), "4.01", "nobody is not let in either");
  assert.doesNotMatch(JSON.stringify(happenings), /s3cret|wr0ng/);
  assert.ok(happenings.some(({ kind }) => kind === "connection-refused"));
}, { uriCredentials: true, broker: { authenticator } });

test(
  "endpoints of one address that come in a short time are so many, and then told when to come back",
  async (scene) => {
    for (const port of [1, 2, 1, 2]) {
      assert.equal(formatCode((await scene.ask(scene.client(port), get("/ps/a"))).code), "4.04");
    }
    const refused = await scene.ask(scene.client(3), get("/ps/a"));
    assert.equal(formatCode(refused.code), "4.29");
    assert.equal(uintOf(valueOf(refused, OptionNumber.maxAge)!), 100);
  },
  { broker: { rateLimits: { connection: { address: { perSecond: 0.01, burst: 2 } } } } },
);

test("a broker that stops answers 5.03, and says so to those who observe", async (scene) => {
  const client = scene.client(1);
  const observed = scene.send(client, get("/ps/a", [uintOption(OptionNumber.observe, 0)]));
  await scene.pass(100);
  const stopped = scene.broker.stop();
  await scene.pass(100);
  const last = observed.responses.at(-1)!;
  assert.deepEqual([last.code, last.type], [Code.serviceUnavailable, MessageType.nonConfirmable]);
  for (const request of [get("/health"), post("/ps/a"), get("/ps/a")]) {
    const answer = await scene.ask(client, request);
    assert.equal(answer.code, Code.serviceUnavailable);
  }
  await stopped;
});

import fc from "fast-check";
import assert from "node:assert/strict";
import { formatHash, hashPassword, isPasswordOf, parseHash } from "../../src/auth/scrypt_hash.ts";
import {
  formatUserList,
  parseUserList,
  type UserEntry,
  UserListError,
  whyNoUserName,
} from "../../src/auth/user_list.ts";
import { processorMs } from "../support/processor_time.ts";

/** Cheap, so that tests are quick. */
const COST = { logN: 10, r: 1, p: 1 };
const hash = await hashPassword("pencil", COST);
const HASH = formatHash(hash);

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

Deno.test("RFC 7914 section 12: the key of its example comes out", async () => {
  const key = "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b3731622eaf30d92e22a3886ff109279d9830da";
  const known = parseHash(`$scrypt$ln=10,r=8,p=16$${btoa("NaCl-NaCl").replaceAll("=", "")}$${"A".repeat(43)}`)!;
  const salt = new TextEncoder().encode("NaCl");
  const right = { ...known, salt, key: Uint8Array.fromHex(key.slice(0, 64)) };
  assert.ok(await isPasswordOf(right, bytes("password")));
  assert.ok(!await isPasswordOf(right, bytes("Password")));
});

Deno.test("a hash is written and read back, and has a salt of its own", async () => {
  assert.deepEqual(parseHash(HASH), hash);
  assert.notDeepEqual((await hashPassword("pencil", COST)).key, hash.key);
  for (
    const [password, expected] of [["pencil", true], ["Pencil", false], ["", false], ["pen\u0000cil", false]] as const
  ) {
    assert.equal(await isPasswordOf(hash, bytes(password)), expected, password);
  }
  assert.ok(await isPasswordOf(await hashPassword("päss", COST), bytes("pa\u0308ss")), "however it was typed");
  assert.ok(!await isPasswordOf(hash, undefined));
  assert.ok(!await isPasswordOf(hash, Uint8Array.of(0xff)));
  assert.ok(!await isPasswordOf(hash, bytes("pencil".repeat(10_000))));
});

Deno.test("hashes that cost too little, too much or are something else are refused", () => {
  for (
    const text of [
      "pencil",
      "",
      HASH.replace("ln=10", "ln=9"),
      HASH.replace("ln=10", "ln=31"),
      HASH.replace("ln=10,r=1", "ln=20,r=8"),
      HASH.replace("r=1", "r=0"),
      HASH.replace("p=1", "p=99"),
      HASH.slice(0, -1),
      HASH.replace("$scrypt", "$argon2id"),
      "$2b$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy",
    ]
  ) assert.equal(parseHash(text), undefined, text);
});

Deno.test("names come back as they were, whatever is in them", () => {
  const names = [
    "alice",
    "a b",
    'say "hi"',
    "#not a comment",
    "a:b",
    "+/#",
    "ö",
    "\u202eecila",
    "a\\b",
    " ",
    "groups=x",
  ];
  const users = names.map((name, index): UserEntry => {
    return { name, hash, groups: index % 2 === 0 ? ["ops", "staff"] : [], isDisabled: index % 3 === 0 };
  });
  const text = formatUserList(users);
  assert.deepEqual([...parseUserList(text).values()], users);
  assert.ok(!/\p{Cf}/u.test(text), "what turns a line around is escaped");
});

/** What is wrong -> the file and what is said. */
const MALFORMED: Readonly<Record<string, readonly [string, RegExp]>> = {
  "nothing": ["", /line 1: expected "weir-users 1"/],
  "another file": [`alice ${HASH}\n`, /line 1: expected/],
  "a later version": ["weir-users 2\n", /line 1: expected/],
  "a line cut short": [`weir-users 1\nalice ${HASH}`, /line 2: it does not end/],
  "a name alone": ["weir-users 1\nalice\n", /line 2: expected a name and a hash/],
  "a password": ["weir-users 1\nalice pencil\n", /line 2: expected a hash such as/],
  "the format of others": [`weir-users 1\nalice:${HASH}\n`, /line 2: expected/],
  "a user twice": [`weir-users 1\na ${HASH}\n"a" ${HASH}\n`, /line 3: the user is already there/],
  "a control character": [`weir-users 1\n"a\\u0000b" ${HASH}\n`, /line 2: a user name has/],
  "an empty name": [`weir-users 1\n"" ${HASH}\n`, /line 2: a user name has/],
  "a lone surrogate": [`weir-users 1\n"\\ud800" ${HASH}\n`, /line 2: a user name has/],
  "a name that is too long": [`weir-users 1\n${"a".repeat(257)} ${HASH}\n`, /line 2: a user name has/],
  "quotes that do not end": [`weir-users 1\n"a ${HASH}\n`, /line 2: expected/],
  "an unknown word": [`weir-users 1\na ${HASH} admin\n`, /line 2: expected groups/],
  "a flag that is misspelt": [`weir-users 1\na ${HASH} Disabled\n`, /line 2: expected groups/],
  "groups twice": [`weir-users 1\na ${HASH} groups=a groups=b\n`, /line 2: expected groups/],
  "no group": [`weir-users 1\na ${HASH} groups=\n`, /line 2: a group has/],
  "a group with a wildcard": [`weir-users 1\na ${HASH} groups=a/#\n`, /line 2: a group has/],
};

for (const [what, [text, message]] of Object.entries(MALFORMED)) {
  Deno.test(`a users file with ${what} is refused, and no hash is told`, () => {
    assert.throws(() => parseUserList(text), (error) => {
      assert.ok(error instanceof UserListError);
      assert.match(error.message, message);
      assert.doesNotMatch(error.message, /pencil|\$scrypt/);
      return true;
    });
  });
}

Deno.test("property: what is written is read back, and any text is a list of users or refused in words", () => {
  const entry = fc.record({
    name: fc.string({ minLength: 1, maxLength: 60, unit: "grapheme" }).filter((name) =>
      whyNoUserName(name) === undefined
    ),
    hash: fc.constant(hash),
    groups: fc.array(fc.stringMatching(/^[A-Za-z0-9_-]{1,64}$/), { maxLength: 5 }),
    isDisabled: fc.boolean(),
  }, { noNullPrototype: true });
  fc.assert(fc.property(fc.uniqueArray(entry, { selector: ({ name }) => name, maxLength: 10 }), (users) => {
    assert.deepEqual([...parseUserList(formatUserList(users)).values()], users);
  }));
  const word = fc.oneof(
    fc.constantFrom("weir-users 1", "\n", " ", '"', "\\", "#", HASH, "groups=", "disabled"),
    fc.string(),
  );
  fc.assert(fc.property(fc.array(word), (words) => {
    try {
      parseUserList(`weir-users 1\n${words.join("")}`);
    } catch (error) {
      assert.ok(error instanceof UserListError, `${error}`);
    }
  }));
});

Deno.test("comments, empty lines and the ends of lines of Windows are read over", () => {
  const text = `weir-users 1\r\n# who\r\n\r\nalice\t${HASH}  groups=ops \t disabled\r\n`;
  assert.deepEqual([...parseUserList(text).values()], [{ name: "alice", hash, groups: ["ops"], isDisabled: true }]);
});

Deno.test("a hundred thousand users are read in a moment", async () => {
  const text = `weir-users 1\n${Array.from({ length: 100_000 }, (_, n) => `user-${n} ${HASH} groups=a`).join("\n")}\n`;
  const ms = await processorMs(() => assert.equal(parseUserList(text).size, 100_000));
  assert.ok(ms < 5_000, `${ms} ms`);
});

Deno.test("hashing leaves the event loop alone", async () => {
  const dear = { logN: 15, r: 8, p: 3 };
  let rounds = 0;
  let isDone = false;
  const hashing = hashPassword("pencil", dear).then(() => isDone = true);
  while (!isDone) {
    await new Promise((resolve) => setTimeout(resolve, 0));
    rounds++;
  }
  await hashing;
  assert.ok(rounds > 5, `the event loop came round ${rounds} times during one hash`);
});

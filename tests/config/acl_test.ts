/** Access rules as they are written: what is refused, with its place, and that a file which cannot be used opens nothing. */
import assert from "node:assert/strict";
import { loadConfig } from "../../src/config/load.ts";
import { load, problemsOf } from "./support.ts";

/** A configuration whose `auth.acl_file` is rules.yaml. */
function withFile(file: string | Uint8Array | Error, yaml = "auth: { acl_file: rules.yaml }") {
  const readFile = (path: string) => {
    if (path === "weir.yaml") return new TextEncoder().encode(yaml);
    if (file instanceof Error) throw file;
    return typeof file === "string" ? new TextEncoder().encode(file) : file;
  };
  return { path: "weir.yaml", readFile };
}

function fileProblems(file: string | Uint8Array | Error): string[] {
  return problemsOf("", withFile(file));
}

const WRONG: Readonly<Record<string, readonly [string, string]>> = {
  "an empty file": ["", "rules.yaml: expected a list of access rules, found nothing; [] is a list without any"],
  "a file of comments": [
    "# - { permission: allow, filter: a }\n",
    "rules.yaml: expected a list of access rules, found nothing; [] is a list without any",
  ],
  "a null": ["~", "rules.yaml:1:1: expected a list of access rules, found nothing; [] is a list without any"],
  "a file with a section": [
    "auth: { acl: [] }",
    "rules.yaml:1:1: expected a list of access rules, found a map; [] is a list without any",
  ],
  "text that was cut": [
    "- { permission: allow, filter: a",
    "rules.yaml:1:33: expected the indentation of the keys beside it",
  ],
  "a rule that was cut": [
    "- permission: allow\n  filter: a\n- permission: deny\n",
    'rules.yaml:3:3: auth.acl[1]: expected the key "filter": a topic filter such as devices/%c/#',
  ],
  "a misspelled field": [
    "- { permission: allow, filter: a, usr: ann }",
    'rules.yaml:1:35: auth.acl[0].usr: unknown key; did you mean "user"?',
  ],
  "a filter with a wildcard in a level": [
    "- { permission: allow, filter: a+/b }",
    "rules.yaml:1:32: auth.acl[0].filter: expected a topic filter such as devices/%c/#, found the text " +
    '"a+/b"; the level "a+" mixes a wildcard with other characters',
  ],
  "a shared filter": [
    "- { permission: allow, filter: $share/g/a }",
    "rules.yaml:1:32: auth.acl[0].filter: expected a topic filter such as devices/%c/#, found the text " +
    '"$share/g/a"; a rule counts for shared subscriptions without saying so',
  ],
  "a range that is none": [
    "- { permission: allow, filter: a, address: 10.0.0.0/33 }",
    "rules.yaml:1:44: auth.acl[0].address: expected an address or a range such as 192.0.2.7, 192.0.2.0/24 or " +
    '2001:db8::/32, found the text "10.0.0.0/33"',
  ],
  "retain without publish": [
    "- { permission: deny, filter: a, retain: true }",
    "rules.yaml:1:42: auth.acl[0].retain: it is about messages: write action: publish beside it",
  ],
  "a QoS that is denied": [
    "- { permission: deny, filter: a, max_qos: 1 }",
    "rules.yaml:1:43: auth.acl[0].max_qos: it limits what is allowed: a rule that denies has none",
  ],
  "a user who has not logged in": [
    "- { permission: allow, filter: a, user: ann, anonymous: true }",
    "rules.yaml:1:57: auth.acl[0].anonymous: nobody who has not logged in is a user or in a group",
  ],
};

for (const [what, [file, problem]] of Object.entries(WRONG)) {
  Deno.test(`a rules file is refused for ${what}`, () => assert.deepEqual(fileProblems(file), [problem]));
}

Deno.test("a rules file that is missing, unreadable, a folder, binary or huge stops the start", () => {
  assert.deepEqual(fileProblems(new Deno.errors.NotFound("no")), ["rules.yaml: cannot read it: there is no such file"]);
  assert.deepEqual(fileProblems(new Deno.errors.PermissionDenied("no")), [
    "rules.yaml: cannot read it: this user may not read it",
  ]);
  assert.deepEqual(fileProblems(new Error("Is a directory (os error 21)")), [
    "rules.yaml: cannot read it: it is a directory",
  ]);
  assert.deepEqual(fileProblems(Uint8Array.of(0, 255, 254)), [
    "rules.yaml: expected YAML in UTF-8, found bytes that are no text",
  ]);
  assert.deepEqual(fileProblems(new Uint8Array(1024 ** 2 + 1).fill(0x20)), [
    "rules.yaml: expected at most 1MiB of YAML, found more",
  ]);
});

Deno.test("the rules of the configuration come before those of the file, each with its place", () => {
  const yaml = 'auth:\n  acl_file: rules.yaml\n  acl:\n    - { permission: deny, filter: "secret/#" }\n';
  const { acl } = loadConfig(withFile('- permission: allow\n  filter: "#"\n', yaml)).auth;
  assert.deepEqual(acl.rules.map(({ filter, place }) => [filter, place]), [
    ["secret/#", "weir.yaml:4:7"],
    ["#", "rules.yaml:1:3"],
  ]);
});

Deno.test("what no rule decides: allowed while there is nobody to tell apart and no rule, denied from then on", () => {
  const otherwise = (yaml: string) => load(yaml).auth.acl.otherwise;
  assert.equal(otherwise(""), "allow");
  assert.equal(otherwise("auth: { acl: [{ permission: deny, filter: a }] }"), "deny");
  assert.equal(otherwise("auth: { acl_default: allow, acl: [{ permission: deny, filter: a }] }"), "allow");
  assert.equal(otherwise("auth: { acl_default: deny }"), "deny");
  assert.equal(loadConfig(withFile("[]")).auth.acl.otherwise, "deny");
});

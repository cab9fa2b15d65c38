import assert from "node:assert/strict";
import { configurationPage, defaultFile } from "../../src/config/reference.ts";
import { loadConfig } from "../../src/config/load.ts";
import { LISTS, SECTIONS, SETTINGS } from "../../src/config/schema.ts";

const ROOT = new URL("../../", import.meta.url);

for (const [path, text] of [["docs/configuration.md", configurationPage()], ["config/default.yaml", defaultFile()]]) {
  Deno.test(`${path} is what the schema says`, () => {
    assert.equal(Deno.readTextFileSync(new URL(path, ROOT)), text, `${path} is out of date: run "deno task docs"`);
  });
}

Deno.test("loading the default file changes nothing", () => {
  const readFile = () => new TextEncoder().encode(defaultFile());
  assert.deepEqual(loadConfig({ path: "default.yaml", readFile }), { ...loadConfig(), file: "default.yaml" });
});

Deno.test("the examples of the lists are good ones", () => {
  const entry = (path: keyof typeof LISTS) => `{ ${LISTS[path].example.join(", ")} }`;
  const yaml = `{ server: { listeners: [${entry("server.listeners")}] }, auth: { acl: [${
    entry("auth.acl")
  }], scram: { users: [${entry("auth.scram.users")}] } } }`;
  const config = loadConfig({ path: "example.yaml", readFile: () => new TextEncoder().encode(yaml) });
  assert.deepEqual([config.listeners[1].name, config.auth.scramUsers[0].username], ["legacy", "alice"]);
  assert.deepEqual(config.auth.acl.rules.map(({ filter }) => filter), ["devices/%u/#"]);
});

Deno.test("every key is on the page, and every section has keys", () => {
  const page = configurationPage();
  for (const path of [...Object.keys(SETTINGS), ...Object.keys(LISTS)]) {
    const [section, ...rest] = path.split(".");
    assert.ok(section in SECTIONS, path);
    assert.ok(page.includes(`\`${rest.join(".")}\``) || page.includes(`\`${path}\``), path);
  }
});

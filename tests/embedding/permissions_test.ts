import assert from "node:assert/strict";
import { Program } from "../support/program.ts";

const ROOT = new URL("../../", import.meta.url).pathname;

Deno.test("a program with a broker needs no permission, as docs/embedding.md says", async () => {
  const folder = await Deno.makeTempDir({ prefix: "weir-embedding-" });
  try {
    const [, shortest] = /```ts\n([\s\S]*?)```/.exec(await Deno.readTextFile(`${ROOT}docs/embedding.md`))!;
    const path = `${folder}/shortest.ts`;
    await Deno.writeTextFile(path, shortest.replace('"@weir/broker"', `"${ROOT}mod.ts"`));
    const flags = ["--quiet", "--no-prompt", "--no-check", "--ignore-env", `--config=${ROOT}deno.json`];
    await using program = new Program(Deno.execPath(), ["run", ...flags, path]);
    assert.deepEqual(await program.end(), { code: 0, errors: "" });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("docs/embedding.md names the package as deno.json does, in a version that this one satisfies", async () => {
  const [, block] = /```json\n([\s\S]*?)```/.exec(await Deno.readTextFile(`${ROOT}docs/embedding.md`))!;
  const { name, version } = JSON.parse(await Deno.readTextFile(`${ROOT}deno.json`));
  const [major, minor] = version.split(".");
  assert.deepEqual(JSON.parse(block).imports, { [name]: `jsr:${name}@^${major}.${minor}.0` });
});

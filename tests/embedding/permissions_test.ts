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

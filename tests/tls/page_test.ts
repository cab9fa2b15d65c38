/** docs/doors/tls.md and config/tls.yaml do what they say: their commands run, on other ports and in another folder. */
import assert from "node:assert/strict";
import { Program } from "../support/program.ts";
import { findCommand, requires } from "../support/skip.ts";
import { Certificates } from "./certificates.ts";

const PAGE = Deno.readTextFileSync(new URL("../../docs/doors/tls.md", import.meta.url));
const CONFIG = Deno.readTextFileSync(new URL("../../config/tls.yaml", import.meta.url));

/** The lines of the page's shell blocks that begin with `command`. */
function commands(command: string): string[] {
  const blocks = [...PAGE.matchAll(/```sh\n([\s\S]*?)```/g)].map(([, text]) => text);
  return blocks.join("").split("\n").filter((line) => line.startsWith(command));
}

/** A port that is free now, for each that the page names. */
function freePorts(): Readonly<Record<string, string>> {
  return Object.fromEntries(["1883", "8883", "8884"].map((port) => {
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    return [port, `${listener.addr.port}`];
  }));
}

Deno.test(requires(["openssl", "mosquitto_pub", "mosquitto_sub"], {
  name: "the page on TLS: its commands work, and those that should not get in do not",
  async fn() {
    using certificates = new Certificates();
    const ports = freePorts();
    const here = (text: string) => {
      return text.replaceAll("config/certs", certificates.path).replaceAll(
        /\b(1883|8883|8884)\b/g,
        (port) => ports[port],
      );
    };
    const config = certificates.file("tls.yaml");
    Deno.writeTextFileSync(config, here(CONFIG));
    assert.deepEqual(commands("deno task start"), ["deno task start --config config/tls.yaml"]);
    const main = new URL("../../main.ts", import.meta.url).pathname;
    const env = { WEIR_STORAGE_TYPE: "memory" };
    const read = `--allow-read=${certificates.path}`; // in place of the folders of deno.json
    const args = ["run", "-P", read, "--quiet", "--no-prompt", main, "--config", config];
    await using broker = new Program(Deno.execPath(), args, env);
    await broker.line(/Ctrl-C stops it/);
    assert.ok(broker.said.includes(`  devices  127.0.0.1:${ports["8884"]}  TLS, for clients with a certificate`));

    const [subscribe] = commands("mosquitto_sub");
    await using subscriber = program(here(subscribe));
    const [plain, device, revoked, nobody] = commands("mosquitto_pub");
    for (const [command, text] of [[plain, "hi"], [device, "hi from device-1"]]) {
      await using publisher = program(here(command), ["-r"]); // whichever of the two is there first
      assert.deepEqual(await publisher.end(), { code: 0, errors: "" });
      await subscriber.line(new RegExp(`^hello/world ${text}$`));
    }
    for (const command of [revoked, nobody]) {
      await using publisher = program(here(command), ["-q", "1"]);
      assert.notEqual((await publisher.end()).code, 0, command);
    }
    assert.ok(!subscriber.said.some((line) => / no$/.test(line)), "nobody got through");
  },
}));

/** A command of the page, words in single quotes taken together. */
function program(command: string, more: readonly string[] = []): Program {
  const [name, ...args] = [...command.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, word]) => quoted ?? word);
  return new Program(findCommand(name)!, [...args, ...more]);
}

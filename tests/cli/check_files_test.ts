/** `weir check` reads the files that a start would read, and says what is wrong with them. */
import { resetSync } from "@logtape/logtape";
import assert from "node:assert/strict";
import { openLog } from "../../src/cli/log.ts";
import { runProgram } from "../../src/cli/program.ts";
import { processHost } from "../../src/cli/host.ts";
import { loadConfig } from "../../src/config/load.ts";
import { serve } from "../../src/server/serve.ts";
import { Served } from "../auth/served.ts";
import { Folder } from "../store/folder.ts";
import { requires } from "../support/skip.ts";
import { Certificates } from "../tls/certificates.ts";
import { SCRAM_USER } from "../config/support.ts";
import { FakeHost } from "./support.ts";

/** Reads files from the disk. */
class DiskHost extends FakeHost {
  readonly #disk = processHost(() => {});

  override readFile(path: string): Uint8Array {
    return this.#disk.readFile(path);
  }
}

/** Of a configuration in a file of that mode. The data folder of this working copy is left out of it. */
async function checked(
  yaml: string,
  mode = 0o644,
  env: Record<string, string> = { WEIR_STORAGE_TYPE: "memory" },
): Promise<{ code: number; said: string }> {
  const path = Deno.makeTempFileSync({ suffix: ".yaml" });
  Deno.writeTextFileSync(path, yaml);
  if (Deno.build.os !== "windows") Deno.chmodSync(path, mode);
  const host = new DiskHost({ env });
  const code = await runProgram(["check", path], host);
  Deno.removeSync(path);
  return { code, said: host.complaints.join("\n") };
}

function listener(keys: string): string {
  return `server: { listeners: [{ name: tls, addr: "127.0.0.1:8883", ${keys} }] }\n`;
}

Deno.test(requires(["openssl"], {
  name: "weir check: certificates and keys that are missing, no such thing, of each other or out of date",
  fn: async () => {
    using certificates = new Certificates();
    const at = (name: string) => certificates.file(name);
    certificates.sign("late", { subject: "/CN=old.example", to: "20210101000000Z" });
    certificates.sign("early", { subject: "/CN=new.example", from: "20980101000000Z" });
    Deno.writeTextFileSync(at("garbage"), "no certificate");
    Deno.symlinkSync("/dev/zero", at("endless"));
    Deno.writeTextFileSync(at("huge"), "");
    Deno.truncateSync(at("huge"), 64 * 1024 ** 2 + 1);
    Deno.writeTextFileSync(at("chain.crt"), certificates.read("server.crt") + certificates.read("late.crt"));
    const own = `cert_file: ${at("server.crt")}, key_file: ${at("server.key")}`;
    const asks = (ca: string) => `${own}, client_auth: require, ca_file: ${ca}`;
    const cases: [string, RegExp | undefined][] = [
      [own, undefined],
      [asks(at("ca.crt")), undefined],
      [`${asks(at("ca.crt"))}, crl_file: ${at("ca.crl")}`, undefined],
      [
        `cert_file: ${at("none")}, key_file: ${at("server.key")}`,
        /Cannot read cert_file \S+none: there is no such file/,
      ],
      [`cert_file: ${at("server.crt")}, key_file: ${at("none")}`, /Cannot read key_file \S+none/],
      [
        `cert_file: ${at("endless")}, key_file: ${at("server.key")}`,
        /Cannot read cert_file \S+endless: .*no plain file/,
      ],
      [asks(at("huge")), /Cannot read ca_file \S+huge: it is no plain file of up to 64 MiB/],
      [
        `cert_file: ${at("garbage")}, key_file: ${at("server.key")}`,
        /Cannot use cert_file \S+garbage: expected a certificate in PEM form, found none/,
      ],
      [
        `cert_file: ${at("server.crt")}, key_file: ${at("garbage")}`,
        /Cannot use key_file \S+garbage: expected a private key that is not encrypted in PEM form, found none/,
      ],
      [
        `cert_file: ${at("server.crt")}, key_file: ${at("client.key")}`,
        /Cannot use cert_file \S+, key_file \S+: the private key is not that of the certificate/,
      ],
      [asks(at("garbage")), /Cannot use ca_file \S+garbage: /],
      [
        `${asks(at("ca.crt"))}, crl_file: ${at("garbage")}`,
        /crl_file \S+garbage: expected a certificate revocation list/,
      ],
      [`cert_file: ${at("late.crt")}, key_file: ${at("late.key")}`, /late\.crt: .*old\.example has expired, on .*2021/],
      [`cert_file: ${at("chain.crt")}, key_file: ${at("server.key")}`, /chain\.crt: .*old\.example has expired/],
      [
        `cert_file: ${at("early.crt")}, key_file: ${at("early.key")}`,
        /early\.crt: .*new\.example is not valid before .*2098/,
      ],
    ];
    for (const [keys, expected] of cases) {
      const { code, said } = await checked(listener(keys));
      assert.equal(code, expected === undefined ? 0 : 1, keys);
      assert.match(said, expected ?? /^$/, keys);
      assert.doesNotMatch(said, /\n {4}at /, "no stack");
    }
    const http = `server: { http_enabled: true, http_cert_file: ${at("none")}, http_key_file: ${at("server.key")} }`;
    assert.match((await checked(http)).said, /Cannot read cert_file \S+none/);
  },
}));

Deno.test(requires(["openssl"], {
  name: "weir check: a key that others may read, and rules that others may write, are warned of",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    using certificates = new Certificates();
    const [key, rules] = [certificates.file("server.key"), certificates.file("rules.yaml")];
    Deno.writeTextFileSync(rules, "[]");
    const yaml = `${
      listener(`cert_file: ${certificates.file("server.crt")}, key_file: ${key}`)
    }auth: { acl_file: ${rules} }\n`;
    Deno.chmodSync(key, 0o640);
    Deno.chmodSync(rules, 0o664);
    assert.deepEqual(await checked(yaml), { code: 0, said: "" });
    Deno.chmodSync(key, 0o644);
    Deno.chmodSync(rules, 0o666);
    const { code, said } = await checked(yaml);
    assert.equal(code, 0);
    assert.match(
      said,
      /Warning: key_file \S+server\.key: its mode is 0644, and others could read or change it; chmod 600/,
    );
    assert.match(
      said,
      /Warning: auth\.acl_file \S+rules\.yaml: its mode is 0666, and others could change it/,
    );
  },
}));

Deno.test({
  name:
    "weir check: a configuration that others may write is warned of, one with credentials also when they may read it",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    const plain = "log: { level: info }\n";
    const users = `auth: { acl_default: allow, scram: { users: [${SCRAM_USER}] } }\n`;
    assert.deepEqual(await checked(plain), { code: 0, said: "" });
    assert.deepEqual(await checked(users, 0o640), { code: 0, said: "" });
    for (const [yaml, mode] of [[plain, 0o666], [users, 0o644]] as const) {
      const { code, said } = await checked(yaml, mode);
      assert.equal(code, 0);
      assert.match(
        said,
        /^weir: Warning: the configuration \S+\.yaml: its mode is 06\d\d, and others could .* it; chmod /,
      );
    }
  },
});

Deno.test({
  name: "weir check: data that others may read or change is warned of, in a folder that somebody else made or restored",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    using data = new Folder();
    const of = (yaml: string) => checked(`storage: { ${yaml} }\n`, 0o644, {});
    assert.deepEqual(await of(`path: ${data.path}`), { code: 0, said: "" });
    Deno.chmodSync(data.path, 0o750);
    assert.deepEqual(await of(`path: ${data.path}`), { code: 0, said: "" }, "the group may look");
    Deno.writeTextFileSync(data.database, "", { mode: 0o644 });
    Deno.chmodSync(data.database, 0o644);
    Deno.chmodSync(data.path, 0o755);
    const { code, said } = await of(`path: ${data.path}`);
    assert.equal(code, 0);
    assert.match(said, /Warning: the data folder (\S+): its mode is 0755, and others could .* it; chmod 700 \1$/m);
    assert.match(said, /Warning: the database (\S+weir\.db): its mode is 0644, and others could .* it; chmod 600 \1$/m);
    assert.deepEqual(await of(`path: ${data.path}, type: memory`), { code: 0, said: "" });
  },
});

Deno.test(requires(["openssl"], {
  name:
    "a start goes on with a certificate that is out of date and a key that others may read, and tells of both in the log",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    using certificates = new Certificates();
    certificates.sign("late", { subject: "/CN=old.example", to: "20210101000000Z" });
    Deno.chmodSync(certificates.file("late.key"), 0o644);
    const lines: string[] = [];
    openLog({ level: "warn", format: "text" }, (line) => lines.push(line));
    try {
      await using served = await Served.start("", {}, {
        WEIR_SERVER_HTTP_ENABLED: "true",
        WEIR_SERVER_HTTP_ADDR: "127.0.0.1:0",
        WEIR_SERVER_HTTP_CERT_FILE: certificates.file("late.crt"),
        WEIR_SERVER_HTTP_KEY_FILE: certificates.file("late.key"),
      });
      assert.ok(served.server.httpListener !== undefined);
    } finally {
      resetSync();
    }
    assert.equal(
      lines.filter((line) => /late\.crt: .*old\.example has expired/.test(line)).length,
      1,
      lines.join("\n"),
    );
    assert.equal(lines.filter((line) => /key_file \S+late\.key: its mode is 0644/.test(line)).length, 1);
  },
}));

Deno.test("a start with a key where no file can be says so in words", async () => {
  using folder = new Folder();
  Deno.writeTextFileSync(folder.file("cert"), "");
  const yaml = listener(`cert_file: ${folder.file("cert")}, key_file: ${folder.file("cert/key")}`).replace("8883", "0");
  const env = { WEIR_STORAGE_TYPE: "memory", WEIR_SERVER_TCP_ADDR: "127.0.0.1:0" };
  const config = loadConfig({ env, path: "weir.yaml", readFile: () => new TextEncoder().encode(yaml) });
  await assert.rejects(serve(config), { name: "ListenError", message: /Cannot read key_file .*cert\/key: Not a dir/ });
});

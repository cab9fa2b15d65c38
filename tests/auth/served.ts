import assert from "node:assert/strict";
import { formatHash, hashPassword } from "../../src/auth/scrypt_hash.ts";
import type { UserEntry } from "../../src/auth/user_list.ts";
import type { Config } from "../../src/config/config.ts";
import { loadConfig } from "../../src/config/load.ts";
import { ConfigError } from "../../src/config/problem.ts";
import { type RunningServer, serve } from "../../src/server/serve.ts";
import { rawConnect, text } from "../support/raw_packet.ts";
import { type ConnectOptions, TestClient } from "../support/client.ts";

/** Cheap, so that tests are quick. */
export const CHEAP = { logN: 10, r: 1, p: 1 };

/** Unless a test says otherwise. */
const BESIDE = { WEIR_AUTH_FAILED_LOGIN_DELAY: "0", WEIR_AUTH_ACL_DEFAULT: "allow" };

/** A broker as the program runs it, from YAML, in a folder that goes with it; `FOLDER` in the YAML is its path. */
export class Served implements AsyncDisposable {
  readonly server: RunningServer;
  readonly folder: string;
  readonly #clients: TestClient[] = [];

  /** What a reload finds. */
  yaml: string;
  readonly #env: Readonly<Record<string, string>>;

  private constructor(server: RunningServer, from: Source) {
    this.server = server;
    this.folder = from.folder;
    this.yaml = from.yaml;
    this.#env = from.env;
  }

  static async start(
    yaml: string,
    files: Readonly<Record<string, string>> = {},
    env: Readonly<Record<string, string>> = {},
  ): Promise<Served> {
    const folder = Deno.makeTempDirSync();
    try {
      for (const [name, text] of Object.entries(files)) writeKept(`${folder}/${name}`, text);
      return new Served(await serve(configOf({ yaml, folder, env })), { yaml, folder, env });
    } catch (error) {
      Deno.removeSync(folder, { recursive: true });
      throw error;
    }
  }

  /** As SIGHUP does, after `files` were written. */
  async reload(files: Readonly<Record<string, string>> = {}): Promise<void> {
    for (const [name, text] of Object.entries(files)) this.write(name, text);
    let config: Config | undefined;
    try {
      config = configOf({ yaml: this.yaml, folder: this.folder, env: this.#env });
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
    }
    await this.server.reload(config);
  }

  /** The code of the CONNACK that answers a CONNECT; undefined when the connection just ends. */
  async code(options: ConnectOptions): Promise<number | undefined> {
    const client = await this.open(options.version);
    await say(client, options);
    const packet = await client.next() as { reasonCode?: number; returnCode?: number } | undefined;
    return packet?.reasonCode ?? packet?.returnCode;
  }

  async open(version: 3 | 4 | 5 = 5): Promise<TestClient> {
    const client = await TestClient.open(this.server.listeners[0].port, version);
    this.#clients.push(client);
    return client;
  }

  async connect(options: ConnectOptions): Promise<TestClient> {
    const client = await this.open(options.version);
    await say(client, options);
    assert.equal((await client.expect("connack")).reasonCode ?? 0, 0);
    return client;
  }

  write(name: string, text: string): void {
    writeKept(`${this.folder}/${name}`, text);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const client of this.#clients) client.close();
    await this.server.stop();
    Deno.removeSync(this.folder, { recursive: true });
  }
}

/** mqtt-packet writes no password without a user name, which MQTT 5 allows. */
async function say(client: TestClient, options: ConnectOptions): Promise<void> {
  const { username, password } = options;
  if (username !== undefined || password === undefined) return await client.send(client.connectPacket(options));
  await client.sendBytes(rawConnect({ flags: 0x42, payload: [text("no name"), text(password)] }));
}

interface Source {
  readonly yaml: string;
  readonly folder: string;
  readonly env: Readonly<Record<string, string>>;
}

function configOf({ yaml, folder, env }: Source): Config {
  const whole = `server: { tcp_addr: "127.0.0.1:0", shutdown_timeout: 1s }\nbroker: { sys_interval: 0 }\n` +
    `storage: { type: memory }\n${yaml}`;
  return loadConfig({
    path: "weir.yaml",
    readFile: (path) =>
      path === "weir.yaml" ? new TextEncoder().encode(whole.replaceAll("FOLDER", folder)) : Deno.readFileSync(path),
    env: { ...BESIDE, ...env },
  });
}

function writeKept(path: string, text: string): void {
  Deno.writeTextFileSync(path, text, { mode: 0o600 });
}

/** The text of a users file: name -> password, with words after it as the file has them. */
export async function usersText(users: Readonly<Record<string, string>>): Promise<string> {
  const lines = await Promise.all(
    Object.entries(users).map(async ([name, password]) => {
      const [secret, ...words] = password.split(" ");
      return [name, formatHash(await hashPassword(secret, CHEAP)), ...words].join(" ");
    }),
  );
  return ["weir-users 1", ...lines, ""].join("\n");
}

/** A user as a users file has it. */
export async function userOf(name: string, password: string, more: Partial<UserEntry> = {}): Promise<UserEntry> {
  return { name, hash: await hashPassword(password, CHEAP), groups: [], isDisabled: false, ...more };
}

/** The program: takes the command line apart, runs the command, answers the exit code: 0 done, 1 failed, 2 not understood. */
import { isLoopback } from "../address/address_ranges.ts";
import { type Config, doorsOf } from "../config/config.ts";
import { loadConfig } from "../config/load.ts";
import type { Override } from "../config/reading.ts";
import { formatAddress } from "../config/text_type.ts";
import { visible } from "../core/text.ts";
import { VERSION } from "../server/version.ts";
import type { QueueCommandName, UserCommandName } from "./command.ts";
import { commandNamed, type Invocation, parseArguments, UsageError } from "./arguments.ts";
import { explainFailure, Interruption, MESSAGE_CHARACTERS_MAX } from "./failure.ts";
import { commandHelp, overview } from "./help.ts";
import { type Host, sources } from "./host.ts";
import { CODE_OF_SIGNAL, runServe } from "./serve.ts";
import { runUserScram } from "./user.ts";

/** Runs what `args` say. Never throws: what goes wrong is told on standard error. */
export async function runProgram(args: readonly string[], host: Host): Promise<number> {
  try {
    return await run(parseArguments(args), args, host);
  } catch (error) {
    if (error instanceof Interruption) return CODE_OF_SIGNAL.SIGINT;
    if (error instanceof UsageError) {
      host.complain(
        `weir: ${visible(error.message, MESSAGE_CHARACTERS_MAX)}\nweir: "weir --help" lists commands and options`,
      );
      return 2;
    }
    host.complain(explainFailure(error));
    return 1;
  }
}

function run(invocation: Invocation, args: readonly string[], host: Host): number | Promise<number> {
  const { command, operands, options } = invocation;
  if (options.has("version")) return say(host, `weir ${VERSION} (Deno ${Deno.version.deno})`);
  if (options.has("help")) return say(host, isBare(args) ? overview() : commandHelp(command));
  switch (command.name) {
    case "serve":
      return runServe(loader(options, host), host);
    case "check":
      return check(operands[0], host);
    case "backup":
      return backup(invocation, host);
    case "inspect":
      return inspect(invocation, host);
    case "acl test":
      return testAcl(invocation, host);
    case "user scram":
      return runUserScram({ username: operands[0], iterations: options.get("iterations") }, host);
    case "user add":
    case "user passwd":
    case "user groups":
    case "user disable":
    case "user enable":
    case "user remove":
    case "user list":
      return editUsers(command.name, invocation, host);
    case "queue list":
    case "queue show":
    case "queue create":
    case "queue change":
    case "queue delete":
    case "queue purge":
    case "queue seek":
    case "queue delete-group":
    case "queue dead-letters":
    case "queue replay":
    case "queue drop":
      return administer(command.name, invocation, host);
    case "help":
      return say(host, operands.length === 0 ? overview() : commandHelp(commandNamed(operands)));
    default:
      return unreachable(command.name);
  }
}

/** The files of users, keys and certificates are read as well: a start would stop at them. */
async function check(path: string, host: Host): Promise<number> {
  const config = loadConfig({ ...sources(host), path });
  const { assertConfiguredFiles, looseFiles } = await import("../server/configured_files.ts");
  await assertConfiguredFiles(config);
  for (const warning of await looseFiles(config)) {
    host.complain(`weir: Warning: ${visible(warning, MESSAGE_CHARACTERS_MAX)}`);
  }
  return say(host, summary(path, config));
}

/** Loaded only when it is needed, as what serves is. */
async function backup({ operands, options }: Invocation, host: Host): Promise<number> {
  const { dataFolder, runBackup } = await import("./data.ts");
  return await runBackup({ folder: dataFolder(options, host), target: operands[0] }, host);
}

async function inspect({ operands: [section], options }: Invocation, host: Host): Promise<number> {
  const [{ dataFolder }, { runInspect }] = await Promise.all([import("./data.ts"), import("./inspect.ts")]);
  const folder = dataFolder(options, host);
  return runInspect({ folder, section, isJson: options.has("json"), limit: options.get("limit") }, host);
}

async function testAcl({ operands, options }: Invocation, host: Host): Promise<number> {
  return await (await import("./acl.ts")).runAclTest(operands, options, host);
}

/** Loaded only when it is needed. */
async function editUsers(
  name: Exclude<UserCommandName, "user scram">,
  { operands, options }: Invocation,
  host: Host,
): Promise<number> {
  const users = await import("./user_file.ts");
  const path = users.usersFile(options, host);
  const user = { path, name: operands[0] };
  if (name !== "user list") await users.assertMayEdit(path);
  switch (name) {
    case "user add":
      return users.runUserAdd({ ...user, groups: options.get("groups") }, host);
    case "user passwd":
      return users.runUserPasswd(user, host);
    case "user groups":
      return users.runUserGroups({ ...user, groups: operands[1] }, host);
    case "user disable":
    case "user enable":
      return users.runUserSwitch({ ...user, isDisabled: name === "user disable" }, host);
    case "user remove":
      return users.runUserRemove(user, host);
    case "user list":
      return users.runUserList({ path, isJson: options.has("json") }, host);
  }
}

async function administer(name: QueueCommandName, invocation: Invocation, host: Host): Promise<number> {
  return await (await import("./queue.ts")).runQueue(name, invocation, host);
}

function unreachable(name: never): never {
  throw new TypeError(`Cannot run ${name}: it has no code`);
}

function say(host: Host, text: string): number {
  host.print(text);
  return 0;
}

/** Whether only options were typed, so that `weir --help` is about everything. */
function isBare(args: readonly string[]): boolean {
  return args.every((arg) => arg.startsWith("-"));
}

/** Reads the configuration as often as it is called; the environment once, since the right to it is given up. */
function loader(options: ReadonlyMap<string, string>, host: Host): () => Config {
  const { env, readFile } = sources(host);
  return () => loadConfig({ env, readFile, path: options.get("config"), options: overrides(options) });
}

function overrides(options: ReadonlyMap<string, string>): Override[] {
  const paths = { "addr": "server.tcp_addr", "data": "storage.path", "log-level": "log.level" };
  return Object.entries(paths).flatMap(([option, path]) => {
    const text = options.get(option);
    return text === undefined ? [] : [{ place: { variable: `--${option}` }, path, text }];
  });
}

function summary(file: string, config: Config): string {
  const opened = doorsOf(config);
  const doors = opened.map((door) => `${door.name} on ${formatAddress(door)}`).join(", ");
  const anybody = opened.every(({ hostname }) => isLoopback(hostname)) ? "anybody on this machine" : "anybody";
  const who = config.auth.allowAnonymous ? `${anybody} may connect` : "clients must log in";
  const users = config.auth.scramUsers.length;
  return `${visible(file, MESSAGE_CHARACTERS_MAX)}: no problems. It would open ${doors}; ${who}${
    users > 0 ? `, ${users} with a password here` : ""
  }.`;
}

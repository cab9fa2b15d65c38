/** The command line to a command with its values; every mistake is told with a hint. */
import { parseArgs, type ParseArgsConfig } from "node:util";
import { didYouMean } from "../config/near.ts";
import { type Command, type CommandName, type CommandOption, COMMANDS, COMMON_OPTIONS } from "./command.ts";

/** What was asked for. */
export interface Invocation {
  readonly command: Command;
  readonly operands: readonly string[];
  /** By long name; a switch that is given has an empty value. */
  readonly options: ReadonlyMap<string, string>;
}

/** The command line is not understood; the message says how to go on. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** Takes the command line apart. `--help` and `--version` excuse missing operands.
 * @throws {UsageError} for an unknown command or option, a missing or superfluous value or operand */
export function parseArguments(args: readonly string[]): Invocation {
  if (args.length > 0 && !args[0].startsWith("-")) assertCommand(args[0]);
  const words = positionals(args);
  const command = findCommand(words);
  const known = { ...COMMON_OPTIONS, ...command.options };
  const operands: string[] = [];
  const options = new Map<string, string>();
  for (const token of tokens(args, known)) {
    if (token.kind === "option") options.set(token.name, optionValue(token, known));
    else if (token.kind === "positional") operands.push(token.value);
  }
  operands.splice(0, commandWords(command.name, words));
  if (!options.has("help") && !options.has("version")) {
    assertOperands(command, operands, words.length < command.name.split(" ").length);
  }
  return { command, operands, options };
}

/** What a word alone is about that begins the names of several commands. */
const FIRST_OF: Readonly<Record<string, CommandName | undefined>> = {
  __proto__: null as never,
  user: "user add",
  acl: "acl test",
  queue: "queue list",
};

/** The command of this name, as typed after `help`.
 * @throws {UsageError} when there is none */
export function commandNamed(words: readonly string[]): Command {
  const typed = words.join(" ");
  const name = FIRST_OF[typed] ?? typed;
  const command = COMMANDS.find((command) => command.name === name);
  if (command === undefined) {
    throw new UsageError(`unknown command "${name}"${didYouMean(name, COMMANDS.map((command) => command.name))}`);
  }
  return command;
}

/** The options of a command that there is not are none of ours.
 * @throws {UsageError} for a word that no command begins with */
function assertCommand(word: string): void {
  if (!COMMANDS.some(({ name }) => name.split(" ")[0] === word)) commandNamed([word]);
}

type Token = NonNullable<ReturnType<typeof parseArgs>["tokens"]>[number];
type OptionToken = Extract<Token, { kind: "option" }>;

function tokens(args: readonly string[], known: Readonly<Record<string, CommandOption>>): readonly Token[] {
  const options: ParseArgsConfig["options"] = {};
  for (const [name, { short, value }] of Object.entries(known)) {
    options[name] = { type: value === undefined ? "boolean" : "string", ...(short !== undefined && { short }) };
  }
  return parseArgs({ args: [...args], options, strict: false, allowPositionals: true, tokens: true }).tokens;
}

/** The words that are no options and no options' values, whichever command they belong to. An option that no command has is
 * refused here: what follows it might be its value. */
function positionals(args: readonly string[]): string[] {
  const all: Record<string, CommandOption> = Object.assign(
    {},
    COMMON_OPTIONS,
    ...COMMANDS.map(({ options }) => options),
  );
  return tokens(args, all).flatMap((token) => {
    if (token.kind === "option") optionValue(token, all);
    return token.kind === "positional" ? [token.value] : [];
  });
}

function findCommand(words: readonly string[]): Command {
  if (words.length === 0) return COMMANDS[0];
  return commandNamed(words.slice(0, FIRST_OF[words[0]] === undefined ? 1 : 2));
}

/** How many of the words are the command's name. */
function commandWords(name: CommandName, words: readonly string[]): number {
  return Math.min(words.length, name.split(" ").length);
}

function optionValue(token: OptionToken, known: Readonly<Record<string, CommandOption>>): string {
  if (!Object.hasOwn(known, token.name)) {
    const hint = didYouMean(token.rawName, Object.keys(known).map((name) => `--${name}`));
    throw new UsageError(`unknown option ${token.rawName}${hint}`);
  }
  const { value } = known[token.name];
  if (value === undefined && token.value !== undefined) throw new UsageError(`${token.rawName} takes no value`);
  const isMissing = token.value === undefined || (!token.inlineValue && token.value.startsWith("--"));
  if (value !== undefined && isMissing) {
    throw new UsageError(`${token.rawName} needs a value: ${token.rawName} ${value}`);
  }
  return token.value ?? "";
}

/** `isGroup` when no more than the first word of the command was typed. */
function assertOperands(command: Command, operands: readonly string[], isGroup: boolean): void {
  const { name, operands: wanted } = command;
  const needed = wanted.filter((operand) => !operand.startsWith("[")).length;
  if (name === "help" || (operands.length >= needed && operands.length <= wanted.length)) return;
  if (operands.length < needed && isGroup) {
    const [group] = name.split(" ");
    const beside = COMMANDS.filter((command) => command.name.startsWith(`${group} `)).map(({ name }) =>
      name.split(" ")[1]
    );
    throw new UsageError(`${group} needs a command: ${beside.join(", ")}`);
  }
  if (operands.length < needed) {
    throw new UsageError(`${name} needs ${wanted[operands.length]}: weir ${name} ${wanted.join(" ")}`);
  }
  throw new UsageError(
    `unexpected "${operands[wanted.length]}" after ${["weir", name, ...operands.slice(0, wanted.length)].join(" ")}`,
  );
}

/** What `weir --help` and `weir help COMMAND` print: short, with lines to type. */
import { type Command, type CommandOption, COMMANDS, COMMON_OPTIONS } from "./command.ts";

/** The help of everything. */
export function overview(): string {
  const [serve] = COMMANDS;
  return [
    "Weir, an MQTT 3.1.1 and 5.0 broker",
    "",
    "Usage:  weir [COMMAND] [OPTIONS]",
    "",
    "Commands:",
    ...columns(COMMANDS.map((command) => [synopsis(command), command.about])),
    "",
    "Options of serve:",
    ...optionLines(serve.options),
    "",
    "Options of every command:",
    ...optionLines(COMMON_OPTIONS),
    "",
    "Try it:",
    ...columns([
      ["weir", "start a broker on 127.0.0.1:1883"],
      ["mosquitto_sub -t 'hello/#' -v", "in a second terminal: wait for messages"],
      ["mosquitto_pub -t hello/world -m hi", "in a third one: send one"],
      ["weir help serve", "what serve can do"],
    ]),
  ].join("\n");
}

/** The help of one command. */
export function commandHelp(command: Command): string {
  const examples = columns(command.examples);
  return [
    command.about,
    "",
    `Usage:  weir ${synopsis(command)}${Object.keys(command.options).length > 0 ? " [OPTIONS]" : ""}`,
    ...section(command.details),
    ...section(Object.keys(command.options).length > 0 ? ["Options:", ...optionLines(command.options)] : []),
    ...section(examples.length > 0 ? ["Examples:", ...examples] : []),
    ...section(others(command)),
  ].join("\n");
}

/** The commands that begin with the same word. */
function others({ name }: Command): string[] {
  const [group] = name.split(" ");
  const beside = COMMANDS.filter((other) => other.name !== name && other.name.startsWith(`${group} `));
  if (beside.length === 0) return [];
  return [`Others of weir ${group}:`, ...columns(beside.map((other) => [synopsis(other), other.about]))];
}

function synopsis(command: Command): string {
  return [command.name, ...command.operands].join(" ");
}

function section(lines: readonly string[]): string[] {
  return lines.length > 0 ? ["", ...lines] : [];
}

function optionLines(options: Readonly<Record<string, CommandOption>>): string[] {
  return columns(
    Object.entries(options).map(([name, { short, value, about }]) => {
      const spelled = `${short === undefined ? "    " : `-${short}, `}--${name}`;
      return [value === undefined ? spelled : `${spelled} ${value}`, about];
    }),
  );
}

function columns(rows: readonly (readonly [string, string])[]): string[] {
  const width = Math.max(...rows.map(([left]) => left.length));
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`);
}

// One command of a scenario: words, and `name=value` pairs behind them.

/** `publish bob a/x "hi" qos=1`: a name, its words, its options. */
export interface Command {
  readonly name: string;
  readonly words: readonly string[];
  readonly options: ReadonlyMap<string, string>;
}

/** Takes a command apart. `"..."` is one word; only a bare `name=value` is an option.
 * @throws {SyntaxError} for an empty command */
export function parseCommand(text: string): Command {
  const tokens = text.match(/"[^"]*"|\S+/g) ?? [];
  const [name, ...rest] = tokens;
  if (name === undefined) throw new SyntaxError(`Cannot run "${text}": it names no command`);
  const isOption = (token: string) => /^\w+(-\w+)*=/.test(token);
  const options = rest.filter(isOption).map((token): [string, string] => {
    return [token.slice(0, token.indexOf("=")), token.slice(token.indexOf("=") + 1)];
  });
  return { name, words: rest.filter((token) => !isOption(token)).map(unquoted), options: new Map(options) };
}

/** Reads the options of one command, each at most once, and refuses those that nobody asked for. */
export class Options {
  readonly #left: Map<string, string>;
  readonly #command: Command;

  constructor(command: Command) {
    this.#command = command;
    this.#left = new Map(command.options);
  }

  text(name: string): string | undefined {
    const value = this.#left.get(name);
    this.#left.delete(name);
    return value;
  }

  number(name: string, otherwise: number): number {
    const value = this.text(name);
    return value === undefined ? otherwise : numberOf(value);
  }

  flag(name: string): boolean {
    return this.text(name) === "true";
  }

  /** Seconds: `30s`, `10m`, or `never`. */
  seconds(name: string): number | undefined {
    const value = this.text(name);
    return value === undefined ? undefined : secondsOf(value);
  }

  /** @throws {SyntaxError} when an option is left that the command does not have */
  end(): void {
    for (const name of this.#left.keys()) {
      throw new SyntaxError(`Cannot run ${this.#command.name}: it has no option "${name}"`);
    }
  }
}

/** `30s` is 30, `2m` is 120, `never` is 0xFFFFFFFF. */
export function secondsOf(text: string): number {
  if (text === "never") return 0xffff_ffff;
  const [, digits, unit] = /^(\d+)(s|m|h)$/.exec(text) ?? [];
  if (unit === undefined) throw new SyntaxError(`Cannot read "${text}" as a time: write 30s, 2m, 1h or never`);
  return Number(digits) * { s: 1, m: 60, h: 3600 }[unit as "s" | "m" | "h"];
}

function numberOf(text: string): number {
  const value = Number(text);
  if (Number.isNaN(value)) throw new SyntaxError(`Cannot read "${text}" as a number`);
  return value;
}

function unquoted(token: string): string {
  return token.startsWith('"') ? token.slice(1, -1) : token;
}

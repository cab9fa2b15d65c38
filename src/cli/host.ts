/** What the commands use of the world, so that tests can hand them another one. */
import { USERNAME_VARIABLE, VARIABLES } from "../config/environment.ts";
import { readBounded } from "../config/load.ts";
import { Interruption } from "./failure.ts";
import { heldPermissions } from "./permissions.ts";
import type { Serve } from "./serve.ts";

export type SignalName = "SIGINT" | "SIGTERM" | "SIGHUP";

export interface Host {
  /** A line to standard output. */
  print(line: string): void;
  /** A line to standard error. */
  complain(line: string): void;
  /** The variables that this process may read. */
  environment(): Record<string, string>;
  readFile(path: string): Uint8Array;
  /** One line: a hidden answer to `question` on a terminal, else the next line of standard input. Undefined when there is none.
   * @throws {Interruption} at Ctrl-C */
  readSecret(question: string): string | undefined;
  /** Whether a person sits at standard input. */
  readonly isInteractive: boolean;
  onSignal(name: SignalName, listener: () => void): void;
  /** Ends the process at once. */
  exit(code: number): void;
  /** Called once the broker listens. */
  onServing(): void;
  /** What the process may do, for people. */
  permissions(): string;
  /** Loaded only when it is needed: `check` and `--help` do without the broker. */
  loadServe(): Promise<Serve>;
}

/** What the configuration is read from. */
export function sources(host: Host): { env: Record<string, string>; readFile(path: string): Uint8Array } {
  return { env: host.environment(), readFile: (path) => host.readFile(path) };
}

/** This process. */
export function processHost(onServing: () => void): Host {
  return {
    print: (line) => console.log(line),
    complain: (line) => console.error(line),
    environment: readEnvironment,
    readFile: readBounded,
    readSecret: (question) => Deno.stdin.isTerminal() ? askHidden(question) : readLine(),
    isInteractive: Deno.stdin.isTerminal(),
    onSignal: (name, listener) => {
      if (name === "SIGTERM" && Deno.build.os === "windows") return; // Windows has none, and SIGHUP is its closing window
      Deno.addSignalListener(name, listener);
    },
    exit: (code) => Deno.exit(code),
    onServing,
    permissions: heldPermissions,
    loadServe: async () => (await import("../server/serve.ts")).serve,
  };
}

/** All variables where that is granted, else those of the keys, so that nobody is asked for the rest. */
function readEnvironment(): Record<string, string> {
  const { state } = Deno.permissions.querySync({ name: "env" });
  if (state === "granted") return Deno.env.toObject();
  try {
    if (state === "denied") return Deno.env.toObject(); // -P ignores what it does not grant, and so do we
  } catch (error) {
    if (!(error instanceof Deno.errors.NotCapable)) throw error;
  }
  const mayRead = (variable: string) => Deno.permissions.querySync({ name: "env", variable }).state === "granted";
  const found = [...VARIABLES, USERNAME_VARIABLE].filter(mayRead).map((variable) =>
    [variable, Deno.env.get(variable)] as const
  );
  return Object.fromEntries(found.filter((entry): entry is [string, string] => entry[1] !== undefined));
}

const ENTER = new Set([0x0a, 0x0d, 0x04]); // and Ctrl-D
const ERASE = new Set([0x08, 0x7f]);
const INTERRUPT = 0x03;

/** Asks on standard error and shows nothing of the answer.
 * @throws {Interruption} at Ctrl-C */
function askHidden(question: string): string {
  const bytes: number[] = [];
  const byte = new Uint8Array(1);
  Deno.stderr.writeSync(new TextEncoder().encode(question));
  Deno.stdin.setRaw(true);
  try {
    while (Deno.stdin.readSync(byte) !== null && !ENTER.has(byte[0])) {
      if (byte[0] === INTERRUPT) throw new Interruption();
      if (ERASE.has(byte[0])) eraseCharacter(bytes);
      else bytes.push(byte[0]);
    }
  } finally {
    Deno.stdin.setRaw(false);
    Deno.stderr.writeSync(new TextEncoder().encode("\n"));
  }
  return new TextDecoder().decode(new Uint8Array(bytes));
}

/** Takes the last character away, however many bytes it has. */
function eraseCharacter(bytes: number[]): void {
  while (bytes.length > 0 && (bytes.pop()! & 0xc0) === 0x80);
}

/** No password is as long; what is piped in may have no end. */
const LINE_BYTES_MAX = 65_536;

/** The next line of standard input without its end, cut where it is too long for anything. */
function readLine(): string | undefined {
  const bytes: number[] = [];
  const byte = new Uint8Array(1);
  while (bytes.length < LINE_BYTES_MAX && Deno.stdin.readSync(byte)) {
    if (byte[0] === 0x0a) return decodeLine(bytes);
    bytes.push(byte[0]);
  }
  return bytes.length > 0 ? decodeLine(bytes) : undefined;
}

function decodeLine(bytes: readonly number[]): string {
  return new TextDecoder().decode(new Uint8Array(bytes)).replace(/\r$/, "");
}

/** `weir user scram NAME`: from a password to the entry of a user. */
import { DEFAULT_ITERATIONS, deriveScramCredential, type ScramCredential } from "../auth/scram_credential.ts";
import { SCRAM_USER_FIELDS } from "../config/settings/operation.ts";
import { visible } from "../core/text.ts";
import { UsageError } from "./arguments.ts";
import type { Host } from "./host.ts";

export interface UserScramOptions {
  readonly username: string;
  /** As typed; {@link DEFAULT_ITERATIONS} unless given. */
  readonly iterations?: string;
}

/** Prints the entry. Answers the exit code.
 * @throws {UsageError} for a name or a number of iterations that the configuration would refuse */
export async function runUserScram({ username, iterations }: UserScramOptions, host: Host): Promise<number> {
  const rounds = iterations === undefined ? DEFAULT_ITERATIONS : parseIterations(iterations);
  assertUsername(username);
  const password = readPassword(username, host);
  if (typeof password !== "string") return password;
  try {
    const credential = await deriveScramCredential(password, { iterations: rounds });
    for (
      const line of [
        "auth:",
        "  scram:",
        "    users:",
        ...scramUserEntry(username, credential).map((line) => `      ${line}`),
      ]
    ) {
      host.print(line);
    }
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    host.complain(`weir: ${error.message}`);
    return 1;
  }
  if (host.isInteractive) {
    host.complain("Put it into your configuration; the lines of another user go under the same users:");
  }
  return 0;
}

/** A list entry of `auth.scram.users`. */
export function scramUserEntry(username: string, credential: ScramCredential): string[] {
  return [
    `- username: ${JSON.stringify(username)}`,
    `  salt: ${credential.salt.toBase64()}`,
    `  iterations: ${credential.iterations}`,
    `  stored_key: ${credential.storedKey.toBase64()}`,
    `  server_key: ${credential.serverKey.toBase64()}`,
  ];
}

/** The password, or the exit code when there is none. A person is asked twice. */
export function readPassword(username: string, host: Host): string | number {
  const password = host.readSecret(`Password of ${visible(username)}: `);
  if (password === undefined) {
    host.complain("weir: Cannot make an entry without a password: type one, or write it to standard input");
    return 1;
  }
  if (!host.isInteractive || host.readSecret("Again: ") === password) return password;
  host.complain("weir: The two passwords differ");
  return 1;
}

function parseIterations(text: string): number {
  const { type } = SCRAM_USER_FIELDS.iterations;
  const iterations = type.parse(/^\d+$/.test(text) ? Number(text) : text);
  if (iterations !== undefined) return iterations;
  throw new UsageError(`--iterations needs ${type.expected}, found "${text}"`);
}

function assertUsername(username: string): void {
  if (SCRAM_USER_FIELDS.username.type.parse(username) !== undefined) return;
  throw new UsageError(`NAME needs ${SCRAM_USER_FIELDS.username.type.expected}`);
}

/** Tests that need a program of the machine: run where it is installed, and elsewhere skipped with the reason in the name. */

import { statSync } from "node:fs";
import { delimiter, join } from "node:path";

/**
 * Where the first installed one of `names` is, or undefined. Programs that go by several names list them:
 * `findCommand("coap-client", "coap-client-notls")`. System folders are searched too, since the path of a user often lacks them.
 */
export function findCommand(...names: readonly string[]): string | undefined {
  const path = Deno.env.get("PATH")?.split(delimiter) ?? [];
  const folders = [...path, "/usr/local/sbin", "/usr/sbin", "/sbin"];
  return names.flatMap((name) => folders.map((folder) => join(folder, name))).find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    const info = statSync(path);
    return info.isFile() && (info.mode & 0o111) !== 0;
  } catch {
    return false; // it is not there, or its folder is somebody else's
  }
}

/**
 * The same test, ignored with the reason in its name while one of `commands` is missing. Other names of a program follow a bar:
 * `Deno.test(requires(["mosquitto_pub", "coap-client|coap-client-notls"], { name: "...", fn() { ... } }))`.
 */
export function requires(commands: readonly string[], test: Deno.TestDefinition): Deno.TestDefinition {
  const missing = commands.map((command) => command.split("|")).filter((names) => findCommand(...names) === undefined);
  if (missing.length === 0) return test;
  const reason = missing.map((names) => names.join(" or ")).join(", ");
  return { ...test, name: `${test.name} (skipped: ${reason} not installed)`, ignore: true };
}

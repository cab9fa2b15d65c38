/** Which data a command is about, and the copy of it: `weir backup`. */
import { loadConfig } from "../config/load.ts";
import { visible } from "../core/text.ts";
import { backUp } from "../store/sqlite/backup.ts";
import { UsageError } from "./arguments.ts";
import { CommandError, MESSAGE_CHARACTERS_MAX } from "./failure.ts";
import { type Host, sources } from "./host.ts";
import { formatBytes } from "./table.ts";

/** The folder that `--data` names, or else the configuration.
 * @throws {UsageError} when both are given
 * @throws {CommandError} when the configuration keeps no data */
export function dataFolder(options: ReadonlyMap<string, string>, host: Host): string {
  const folder = options.get("data");
  const path = options.get("config");
  if (folder !== undefined && path !== undefined) {
    throw new UsageError("--data and --config say the same: give one of them");
  }
  if (folder !== undefined) return withoutSlash(folder);
  const { storage } = loadConfig({ ...sources(host), path });
  if (storage.type === "memory") {
    throw new CommandError(
      `There is no data: ${path ?? "the environment"} says storage.type: memory. --data FOLDER names a folder`,
    );
  }
  return withoutSlash(storage.path);
}

/** Copies the database of a folder. Answers the exit code. */
export async function runBackup(paths: { folder: string; target: string }, host: Host): Promise<number> {
  const { bytes } = await backUp(paths.folder, paths.target);
  host.print(
    `${visible(paths.target, MESSAGE_CHARACTERS_MAX)}: ${
      formatBytes(bytes)
    }, whole. docs/operations.md says how to restore it.`,
  );
  return 0;
}

function withoutSlash(folder: string): string {
  return folder.replace(/(?<=.)\/+$/, "");
}

/** A configuration from text, and the problems of a wrong one, without a file. */
import assert from "node:assert/strict";
import type { Config } from "../../src/config/config.ts";
import { loadConfig, type LoadConfigOptions } from "../../src/config/load.ts";
import { ConfigError } from "../../src/config/problem.ts";

/** What `yaml` makes, as the file weir.yaml. */
export function load(yaml: string | Uint8Array, options: LoadConfigOptions = {}): Config {
  const bytes = typeof yaml === "string" ? new TextEncoder().encode(yaml) : yaml;
  return loadConfig({ path: "weir.yaml", readFile: () => bytes, ...options });
}

/** The lines that `load` complains with; none when it does not. */
export function problemsOf(yaml: string | Uint8Array, options: LoadConfigOptions = {}): string[] {
  return complaintsOf(() => load(yaml, options));
}

/** The lines of the ConfigError that `act` throws. */
export function complaintsOf(act: () => unknown): string[] {
  try {
    act();
    return [];
  } catch (error) {
    assert.ok(error instanceof ConfigError, `expected a ConfigError, got ${error}`);
    return error.message.split("\n");
  }
}

/** An entry of `auth.scram.users`: the password is "pencil". */
export const SCRAM_USER = "{ username: alice, salt: W22ZaJ0SNY7soEsUEjb6gQ==, iterations: 4096, " +
  "stored_key: WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=, server_key: wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU= }";

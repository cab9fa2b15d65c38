import assert from "node:assert/strict";
import { loadConfig } from "../../src/config/load.ts";
import { resolveOptions } from "../../src/server/options.ts";

Deno.test("the library's defaults are those of the program", () => {
  const config = loadConfig();
  const options = resolveOptions({});
  const { tcpNoDelay: _, ...connection } = config.connection; // an option of listen()
  assert.deepEqual(options.limits, config.limits);
  assert.deepEqual(options.protocol, config.protocol);
  assert.deepEqual(options.connection, connection);
  assert.equal(options.sysIntervalMs, config.sys.intervalMs);
  assert.equal(options.shutdownTimeoutMs, config.shutdownTimeoutMs);
});

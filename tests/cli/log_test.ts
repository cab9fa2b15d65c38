import { getLogger, resetSync } from "@logtape/logtape";
import assert from "node:assert/strict";
import { openLog } from "../../src/cli/log.ts";
import type { LogConfig } from "../../src/config/config.ts";

/** The lines of a log that is told something at each level. */
function linesOf(log: LogConfig): string[] {
  const lines: string[] = [];
  openLog(log, (line) => lines.push(line));
  const logger = getLogger(["weir"]);
  for (const level of ["debug", "info", "warn", "error"] as const) {
    logger[level]("client {clientId} connected", { clientId: "a\nb" });
  }
  resetSync();
  return lines;
}

for (const [level, count] of [["debug", 4], ["info", 3], ["warn", 2], ["error", 1]] as const) {
  Deno.test(`log.level ${level} writes ${count} of 4 levels, one line each`, () => {
    assert.equal(linesOf({ level, format: "json" }).length, count);
    const lines = linesOf({ level, format: "text" });
    assert.equal(lines.length, count);
    for (const line of lines) assert.match(line, /^\d{4}-\d\d-\d\d .*weir.*client "a\\nb" connected$/);
  });
}

Deno.test("facts stay on their line", () => {
  const lines: string[] = [];
  openLog({ level: "info", format: "text" }, (line) => lines.push(line));
  const facts = { clientId: "x".repeat(50), cause: "y".repeat(50), more: { z: "z\n".repeat(20) } };
  getLogger(["weir"]).info("ended {facts}", { facts });
  resetSync();
  assert.equal(lines.join().split("\n").length, 1);
});

Deno.test("log.format json writes an object a line, facts and all", () => {
  const [line] = linesOf({ level: "error", format: "json" });
  const { level, logger, clientId, message } = JSON.parse(line);
  assert.deepEqual([level, logger, clientId], ["ERROR", "weir", "a\nb"]);
  assert.equal(message, 'client "a\\nb" connected', "as in text");
  assert.equal(JSON.parse(jsonLinesOf("a")[0]).message, "client a connected");
});

Deno.test("nothing that a client is called turns a line around, moves the cursor or fills the disk", () => {
  const clientId = "\u202e\u2028\x9b2J\u200b" + "x".repeat(60_000);
  for (const format of ["text", "json"] as const) {
    const lines: string[] = [];
    openLog({ level: "info", format }, (line) => lines.push(line));
    getLogger(["weir"]).info("client {clientId} connected: {facts}", { clientId, facts: { clientId } });
    resetSync();
    assert.equal(lines.length, 1);
    assert.doesNotMatch(lines[0], /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
    assert.ok(lines[0].length < 5_000, `${format}: ${lines[0].length} characters`);
  }
  const [line] = jsonLinesOf(clientId.slice(0, 20));
  assert.equal(JSON.parse(line).clientId, clientId.slice(0, 20), "a collector gets it back");
});

function jsonLinesOf(clientId: string): string[] {
  const lines: string[] = [];
  openLog({ level: "info", format: "json" }, (line) => lines.push(line));
  getLogger(["weir"]).info("client {clientId} connected", { clientId });
  resetSync();
  return lines;
}

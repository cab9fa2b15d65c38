/** Where the log of the broker goes: lines on standard error, for people or for collectors. */
import { configureSync, getJsonLinesFormatter, getTextFormatter, type LogLevel as SinkLevel } from "@logtape/logtape";
import type { LogConfig, LogLevel } from "../config/config.ts";

const SINK_LEVEL: Readonly<Record<LogLevel, SinkLevel>> = {
  debug: "debug",
  info: "info",
  warn: "warning",
  error: "error",
};

/** Sends what the broker logs to `write`, line by line. Opening it again takes the place of the former. */
export function openLog({ level, format }: LogConfig, write: (line: string) => void): void {
  const formatter = format === "json"
    ? getJsonLinesFormatter({ properties: "flatten" })
    : getTextFormatter({ level: "full", value: onOneLine });
  configureSync({
    reset: true,
    sinks: { lines: (record) => write(formatter(record).trimEnd()) },
    loggers: [
      { category: ["weir"], sinks: ["lines"], lowestLevel: SINK_LEVEL[level] },
      { category: ["logtape", "meta"], sinks: ["lines"], lowestLevel: "warning" },
    ],
  });
}

/** Text from clients comes escaped: nobody forges a line. */
function onOneLine(value: unknown): string {
  return typeof value === "string" ? JSON.stringify(value) : Deno.inspect(value, { breakLength: Infinity, depth: 3 });
}

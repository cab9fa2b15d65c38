/** Where the log of the broker goes: lines on standard error, for people or for collectors. */
import {
  configureSync,
  getJsonLinesFormatter,
  getTextFormatter,
  type LogLevel as SinkLevel,
  type LogRecord,
} from "@logtape/logtape";
import type { LogConfig, LogLevel } from "../config/config.ts";
import { cut, quoted, visible, visibleJson } from "../core/text.ts";

/** Of one fact in a line: client ids and topics may have 65,535. */
const CHARACTERS_MAX = 256;

const SINK_LEVEL: Readonly<Record<LogLevel, SinkLevel>> = {
  debug: "debug",
  info: "info",
  warn: "warning",
  error: "error",
};

/** Sends what the broker logs to `write`, line by line. Opening it again takes the place of the former. */
export function openLog({ level, format }: LogConfig, write: (line: string) => void): void {
  const formatter = format === "json" ? jsonLine : getTextFormatter({ level: "full", value: onOneLine });
  configureSync({
    reset: true,
    sinks: { lines: (record) => write(formatter(record).trimEnd()) },
    loggers: [
      { category: ["weir"], sinks: ["lines"], lowestLevel: SINK_LEVEL[level] },
      { category: ["logtape", "meta"], sinks: ["lines"], lowestLevel: "warning" },
    ],
  });
}

/** What needs no quotes: an address, a cause, most client ids and topics. */
const PLAIN = /^[\w.:@$#+/-]+$/;

/** Text from clients comes in quotes and escaped unless it is a plain word: nobody forges a line, or turns it around. */
function onOneLine(value: unknown): string {
  if (typeof value === "string") {
    return value.length <= CHARACTERS_MAX && PLAIN.test(value) ? value : quoted(value, CHARACTERS_MAX);
  }
  return visible(Deno.inspect(value, { breakLength: Infinity, depth: 3, strAbbreviateSize: CHARACTERS_MAX }), 4096);
}

const formatJson = getJsonLinesFormatter({ properties: "flatten" });

function jsonLine(record: LogRecord): string {
  const properties = bounded(record.properties) as LogRecord["properties"];
  const message = [record.message.map((part, index) => index % 2 === 0 ? part : onOneLine(part)).join("")]; // as in text
  return visibleJson(formatJson({ ...record, message, properties }).trimEnd());
}

/** Facts are plain data, a level or two deep. */
function bounded(value: unknown): unknown {
  if (typeof value === "string") return cut(value, CHARACTERS_MAX);
  if (Array.isArray(value)) return value.map(bounded);
  if (value === null || typeof value !== "object" || Object.getPrototypeOf(value) !== Object.prototype) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, bounded(inner)]));
}

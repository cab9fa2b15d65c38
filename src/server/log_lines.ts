import { getLogger, type LogLevel, type LogRecord } from "@logtape/logtape";

/** The lines of the log that may come with every connection. `logger.info` and its like note each record that they make in a weak table, and
 * what stands there outlives the next collections of young objects: a line left 1.2 KB behind. A record that comes whole, its category
 * too, is passed on as it is. */
export class LogLines {
  readonly #logger = getLogger(["weir"]);
  /** Words cut at the facts in them. They are few: nothing in them comes from outside. */
  readonly #templates = new Map<string, readonly string[]>();

  /** Whether anybody reads lines of that level. */
  isEnabledFor(level: LogLevel): boolean {
    return this.#logger.isEnabledFor(level);
  }

  /** Writes a line; `words` name facts in braces. */
  write(level: LogLevel, words: string, facts: object): void {
    if (!this.isEnabledFor(level)) return;
    const properties: Record<string, unknown> = { ...facts };
    const message = this.#templateOf(words).map((part, index) => index % 2 === 0 ? part : properties[part]);
    const { category } = this.#logger;
    const record: LogRecord = { category, level, rawMessage: words, message, timestamp: Date.now(), properties };
    this.#logger.emit(record);
  }

  /** Words and the names of facts in turn. */
  #templateOf(words: string): readonly string[] {
    let template = this.#templates.get(words);
    if (template === undefined) this.#templates.set(words, template = words.split(/\{(\w+)\}/));
    return template;
  }
}

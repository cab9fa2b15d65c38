/** The kinds of values that a key may take: how each is read, written and named in a message.
 * Numbers and words here; text and addresses are in `text_type.ts`. */

/** What YAML or a variable may hold before it is read. */
export type Scalar = string | number | bigint | boolean | null;

/** One kind of value. `format` writes what `parse` reads back. */
export interface ValueType<T> {
  /** Follows "expected" in a message and fills the value column of the reference. */
  readonly expected: string;
  /** Text from a variable is taken as it is; `5` stays text. */
  readonly textual?: boolean;
  /** It is a secret, or one may be written into it by mistake: no message shows what was found. */
  readonly isSecret?: boolean;
  /** Undefined when `found` is not such a value. */
  parse(found: Scalar): T | undefined;
  /** For a value that is written as a list of plain values. */
  parseList?(found: readonly Scalar[]): T | undefined;
  /** As YAML. */
  format(value: T): string;
  /** As JSON Schema, as far as that can say it. */
  readonly schema?: Readonly<Record<string, unknown>>;
  /** What to add to the refusal of this particular value. */
  hint?(found: Scalar): string | undefined;
}

/** A word that stands for a value that no number does, such as `never` or `unlimited`. */
export interface SpecialWord {
  readonly word: string;
  readonly value: number;
}

/** Switches a limit off. */
export const UNLIMITED: SpecialWord = { word: "unlimited", value: Infinity };

/** For durations that do not end. */
export const NEVER: SpecialWord = { word: "never", value: Infinity };

const MILLISECONDS: Readonly<Record<string, number>> = { d: 86_400_000, h: 3_600_000, m: 60_000, s: 1_000, ms: 1 };
const BYTES: Readonly<Record<string, number>> = { GiB: 1024 ** 3, MiB: 1024 ** 2, KiB: 1024 };

export interface RangeOptions {
  readonly from: number;
  readonly to: number;
  /** `unlimited` or `never`. */
  readonly special?: SpecialWord;
}

/** A whole number. */
export function count(range: RangeOptions): ValueType<number> {
  return {
    expected: `a whole number from ${range.from} to ${range.to}${orSpecial(range.special)}`,
    ...range.special === undefined && { schema: { type: "integer", minimum: range.from, maximum: range.to } },
    parse: (found) => special(found, range) ?? inRange(found, range),
    format: (value) => specialWord(value, range) ?? String(value),
  };
}

/** Bytes: a plain number, or one with KiB, MiB or GiB. */
export function size(range: RangeOptions): ValueType<number> {
  const limits = `from ${formatSize(range.from)} to ${formatSize(range.to)}`;
  return {
    expected: `a size ${limits}, in bytes or with KiB, MiB or GiB${orSpecial(range.special)}`,
    parse: (found) => special(found, range) ?? inRange(typeof found === "string" ? bytes(found) : found, range),
    format: (value) => specialWord(value, range) ?? formatSize(value),
  };
}

export interface DurationOptions {
  /** Written as in YAML: `100ms`. */
  readonly from: string;
  readonly to: string;
  /** 0 is accepted below `from`, with or without a unit: the thing is off. */
  readonly zero?: boolean;
  readonly special?: SpecialWord;
}

/** A time, in milliseconds once read; always with its unit, since nobody can guess what a bare 5 means. */
export function duration(options: DurationOptions): ValueType<number> {
  const range = {
    from: milliseconds(options.from) ?? 0,
    to: milliseconds(options.to) ?? Infinity,
    special: options.special,
  };
  const limits = `from ${options.from} to ${options.to}, with ms, s, m, h or d${orSpecial(range.special)}`;
  return {
    expected: `${options.zero ? "0 or " : ""}a duration ${limits}`,
    parse: (found) => {
      const value = found === 0 ? 0 : typeof found === "string" ? milliseconds(found) : undefined;
      return special(found, range) ?? (value === 0 && options.zero ? 0 : inRange(value, range));
    },
    format: (value) => specialWord(value, range) ?? formatDuration(value),
  };
}

/** A time that MQTT counts in whole seconds: a plain number is seconds too. */
export function seconds(range: RangeOptions): ValueType<number> {
  const limits = `from ${formatSeconds(range.from)} to ${formatSeconds(range.to)}`;
  return {
    expected: `whole seconds ${limits}, plain or with s, m, h or d${orSpecial(range.special)}`,
    parse: (found) => {
      const value = typeof found === "string" ? (milliseconds(found) ?? NaN) / 1000 : found;
      return special(found, range) ?? inRange(value, range);
    },
    format: (value) => specialWord(value, range) ?? formatSeconds(value),
  };
}

/** A number, with or without a fraction. */
export function fraction(range: { from: number; to: number }): ValueType<number> {
  return {
    expected: `a number from ${range.from} to ${range.to}`,
    schema: { type: "number", minimum: range.from, maximum: range.to },
    parse: (found) => typeof found === "number" && found >= range.from && found <= range.to ? found : undefined,
    format: String,
  };
}

/** `true` or `false`; YAML 1.2 knows no `yes` and `on`. */
export function flag(): ValueType<boolean> {
  return {
    expected: "true or false",
    schema: { type: "boolean" },
    parse: (found) => typeof found === "boolean" ? found : undefined,
    format: String,
  };
}

/** A flag whose default depends on other keys and is null until those are known. */
export function openFlag(): ValueType<boolean | null> {
  return { ...flag(), format: (value) => value === null ? "" : String(value) };
}

/** A size, or `auto`, which is null: the program finds what is fit. */
export function sizeOrAuto(range: RangeOptions): ValueType<number | null> {
  const type = size(range);
  return {
    ...type,
    expected: `${type.expected}, or auto`,
    parse: (found) => found === "auto" ? null : type.parse(found),
    format: (value) => value === null ? "auto" : type.format(value),
  };
}

/** A version of TLS; YAML takes it for a number where it is not in quotes. */
export function tlsVersion(): ValueType<"1.2" | "1.3"> {
  const versions = ["1.2", "1.3"] as const;
  return {
    ...choice(versions),
    parse: (found) => versions.find((version) => version === String(found)),
    format: (version) => JSON.stringify(version),
  };
}

/** One of a few words or numbers. `absent` names words of other brokers or versions, with what to say to them. */
export function choice<const T extends string | number>(
  words: readonly T[],
  absent: Readonly<Record<string, string>> = {},
): ValueType<T> {
  return {
    expected: words.length === 1 ? String(words[0]) : `${words.slice(0, -1).join(", ")} or ${words.at(-1)}`,
    schema: { enum: words },
    parse: (found) => words.find((word) => word === found),
    format: String,
    hint: (found) => typeof found === "string" && Object.hasOwn(absent, found) ? absent[found] : undefined,
  };
}

/** The longest unit that divides it exactly, as in `90s`, `2m`; several units are never mixed. */
function formatDuration(ms: number): string {
  if (ms === 0) return "0s";
  for (const [unit, length] of Object.entries(MILLISECONDS)) if (ms % length === 0) return `${ms / length}${unit}`;
  return `${ms}ms`;
}

function formatSeconds(value: number): string {
  return value === 0 ? "0" : formatDuration(value * 1000);
}

function formatSize(value: number): string {
  if (value === 0) return "0";
  for (const [unit, length] of Object.entries(BYTES)) if (value % length === 0) return `${value / length}${unit}`;
  return String(value);
}

/** Undefined unless the whole text is numbers with units, as in `90s` or `1m30s`. */
function milliseconds(text: string): number | undefined {
  if (!/^(\d+(ms|[smhd]))+$/.test(text)) return undefined;
  let sum = 0;
  for (const [, amount, unit] of text.matchAll(/(\d+)(ms|[smhd])/g)) sum += Number(amount) * MILLISECONDS[unit];
  return sum;
}

function bytes(text: string): number | undefined {
  const match = /^(\d+) ?([KMG]iB)$/.exec(text);
  return match === null ? undefined : Number(match[1]) * BYTES[match[2]];
}

function inRange(value: Scalar | undefined, range: { from: number; to: number }): number | undefined {
  const number = typeof value === "bigint" ? Number(value) : value;
  if (typeof number !== "number" || !Number.isInteger(number)) return undefined;
  return number >= range.from && number <= range.to ? number : undefined;
}

function special(found: Scalar, range: RangeOptions): number | undefined {
  return range.special !== undefined && found === range.special.word ? range.special.value : undefined;
}

function specialWord(value: number, range: RangeOptions): string | undefined {
  return value === range.special?.value ? range.special.word : undefined;
}

function orSpecial(word: SpecialWord | undefined): string {
  return word === undefined ? "" : `, or ${word.word}`;
}

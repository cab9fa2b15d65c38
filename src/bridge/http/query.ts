import { quoted } from "../../core/text.ts";
import { percentDecoded } from "../fields.ts";

/** Parameters of one query. */
const PARAMETERS_MAX = 256;

/** The query of a request, each parameter to be taken once: one that nobody takes is a mistake, and told. */
export class Query {
  readonly #entries: [string, string][] = [];

  /** `text` is without `?`. A `+` is a space as in forms, but in `filter`, where it is the wildcard.
   * @throws {TypeError} when the encoding is malformed, {RangeError} for too many parameters */
  constructor(text: string) {
    const parts = text === "" ? [] : text.split("&").filter((part) => part !== "");
    if (parts.length > PARAMETERS_MAX) {
      throw new RangeError(`Cannot read ${parts.length} parameters: the maximum is ${PARAMETERS_MAX}`);
    }
    for (const part of parts) {
      const at = part.indexOf("=");
      const name = percentDecoded((at < 0 ? part : part.slice(0, at)).replaceAll("+", " "), "the query");
      const value = at < 0 ? "" : part.slice(at + 1);
      this.#entries.push([
        name,
        percentDecoded(name === "filter" ? value : value.replaceAll("+", " "), `the parameter ${quoted(name)}`),
      ]);
    }
  }

  /** The value of a parameter that may occur once; undefined when it does not.
   * @throws {TypeError} when it occurs twice */
  take(name: string): string | undefined {
    const values = this.takeAll(name);
    if (values.length > 1) throw new TypeError(`Cannot use ${name} twice: it may occur once`);
    return values[0];
  }

  has(name: string): boolean {
    return this.#entries.some(([each]) => each === name);
  }

  /** As {@link take}, read by `read`. */
  read<T>(name: string, read: (text: string, name: string) => T): T | undefined {
    const text = this.take(name);
    return text === undefined ? undefined : read(text, name);
  }

  /** Every value of a parameter, in order. */
  takeAll(name: string): string[] {
    const values: string[] = [];
    for (let i = this.#entries.length - 1; i >= 0; i--) {
      if (this.#entries[i][0] === name) values.unshift(this.#entries.splice(i, 1)[0][1]);
    }
    return values;
  }

  /** @throws {TypeError} when something was not taken */
  end(): void {
    if (this.#entries.length > 0) {
      throw new TypeError(`Cannot use the parameter ${quoted(this.#entries[0][0])}: it is unknown here`);
    }
  }
}

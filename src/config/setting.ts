/** One key of the configuration: everything that reading, `weir check`, the reference and the default file say about it. */
import type { ValueType } from "./value_type.ts";

export interface Setting<T> {
  readonly type: ValueType<T>;
  readonly initial: T;
  /** What it does: one or two sentences for the reference and the default file. */
  readonly about: string;
  /** What happens at the limit, and what the client sees; only where there is one. */
  readonly atLimit?: string;
}

/** A key of an entry in a list, such as a listener's. */
export interface Field<T> {
  readonly type: ValueType<T>;
  readonly required: boolean;
  readonly about: string;
}

/** A key whose value is a list of maps. */
export interface ListSetting<F extends Fields> {
  readonly fields: F;
  readonly about: string;
  /** An entry for the reference and the default file, without the dash. */
  readonly example: readonly string[];
}

export type Fields = Readonly<Record<string, Field<unknown>>>;

/** An entry as it was read; what was not written is undefined. */
export type Item<F extends Fields> = { readonly [K in keyof F]: F[K] extends Field<infer T> ? T | undefined : never };

/** Lets the compiler infer T once, where the key is declared. */
export function setting<T>(declared: Setting<T>): Setting<T> {
  return declared;
}

/** An entry's key that must be there. */
export function required<T>(type: ValueType<T>, about: string): Field<T> {
  return { type, required: true, about };
}

/** An entry's key that may be left out. */
export function optional<T>(type: ValueType<T>, about: string): Field<T> {
  return { type, required: false, about };
}

/** Values that are lists of texts: addresses, origins, filters of topics. A variable holds them with commas between. */
import { isAddressRange } from "../address/address_ranges.ts";
import { isOriginPattern } from "../address/origins.ts";
import { whyNoFilter } from "./text_type.ts";
import type { Scalar, ValueType } from "./value_type.ts";

/** Some of `known`, each once. */
export function words<T extends string>(known: readonly T[]): ValueType<readonly T[]> {
  const isKnown = (word: string) => known.some((each) => each === word);
  return {
    ...texts((found) => found.every(isKnown) && new Set(found).size === found.length) as ValueType<readonly T[]>,
    expected: `one or more of ${known.join(", ")}, with commas between`,
  };
}

/** IP addresses and ranges of them. */
export function addressRanges(): ValueType<readonly string[]> {
  return {
    ...texts((found) => found.every(isAddressRange)),
    expected: 'addresses and ranges such as "192.0.2.7, 10.0.0.0/8"; "" for none',
  };
}

/** Origins of pages in browsers. */
export function origins(): ValueType<readonly string[]> {
  return {
    ...texts((found) => found.every(isOriginPattern)),
    expected: 'origins such as "https://example.com, example.org:8443", or "*"; "" for none',
    hint: (found) => {
      return typeof found === "string" && /^https?:\/\/[^/]+\//.test(found) ? "an origin has no path" : undefined;
    },
  };
}

/** Filters of ordinary topics; those that begin with `$` are not. Never one text: a filter may hold a comma. */
export function filters(): ValueType<readonly string[]> {
  return {
    expected: 'a list of topic filters such as ["sensors/#"]',
    schema: { type: "array", items: { type: "string" } },
    parse: () => undefined,
    parseList: (found) => found.every(isOrdinaryFilter) ? found as string[] : undefined,
    format: (value) => JSON.stringify(value),
  };
}

function isOrdinaryFilter(found: Scalar): boolean {
  return typeof found === "string" && !found.startsWith("$") && whyNoFilter(found) === undefined;
}

/** As YAML they are a list, or one text as in a variable. */
function texts(areGood: (found: readonly string[]) => boolean): Omit<ValueType<readonly string[]>, "expected"> {
  const parseList = (found: readonly Scalar[]) => {
    const read = found.map((each) => typeof each === "string" ? each.trim() : "");
    return areGood(read) ? read : undefined;
  };
  return {
    textual: true,
    parse: (found) => typeof found !== "string" ? undefined : found.trim() === "" ? [] : parseList(found.split(",")),
    parseList,
    format: (value) => JSON.stringify(value.join(", ")),
  };
}

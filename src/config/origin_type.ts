/** Origins of pages in browsers, as the Origin header has them. */
import type { Scalar, ValueType } from "./value_type.ts";

/** `https://app.example.com`, with a port where it is not the scheme's own; `*` stands for every one. */
export function origins(): ValueType<readonly string[]> {
  const parseList = (found: readonly Scalar[]) => {
    const texts = found.map((each) => typeof each === "string" ? originOf(each.trim()) : undefined);
    return texts.some((text) => text === undefined) ? undefined : texts as string[];
  };
  return {
    expected: 'origins such as "https://app.example.com, http://localhost:3000", or "*"; "" for none',
    textual: true,
    parse: (found) => typeof found !== "string" ? undefined : found.trim() === "" ? [] : parseList(found.split(",")),
    parseList,
    format: (value) => JSON.stringify(value.join(", ")),
    hint: (found) => {
      return typeof found === "string" && /^https?:\/\/[^/]+\/./.test(found) ? "an origin has no path" : undefined;
    },
  };
}

function originOf(text: string): string | undefined {
  if (text === "*") return text;
  const url = /^https?:\/\//.test(text) ? URL.parse(text) : null;
  return url !== null && url.origin === text.replace(/\/$/, "").toLowerCase() ? url.origin : undefined;
}

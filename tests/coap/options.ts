import { type CoapOption, OptionNumber } from "../../src/bridge/coap/message.ts";

/** The options of a path, whose parts are percent-encoded as in a URI. */
export function optionsOf(path: string): CoapOption[] {
  const [before, query] = path.split("?");
  const option = (number: number) => (part: string) => ({
    number,
    value: new TextEncoder().encode(decodeURIComponent(part)),
  });
  return [
    ...before.split("/").slice(1).map(option(OptionNumber.uriPath)),
    ...query === undefined ? [] : query.split("&").map(option(OptionNumber.uriQuery)),
  ];
}

/** What is wrong with a configuration, and where: every problem of a start is gathered and told at once. */

import { visible } from "../core/text.ts";

/** Where a value was written: a spot in a file, or the name of a variable or an option. */
export type Place = FilePlace | NamedPlace;

/** Lines and columns count from 1. */
export interface FilePlace {
  readonly file: string;
  readonly line?: number;
  readonly column?: number;
}

/** `WEIR_SERVER_TCP_ADDR`, `--addr`, or `default` for what nobody wrote. */
export interface NamedPlace {
  readonly variable: string;
}

/** One thing that keeps the broker from starting. */
export interface Problem {
  readonly place: Place;
  /** The key, as in `server.listeners[1].addr`; empty when the whole file is meant. */
  readonly path: string;
  readonly message: string;
}

/** Told one by one; behind them only how many more there are. */
const PROBLEMS_TOLD = 20;

/** Carries every problem; its message has one line for each of the first 20. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  readonly problems: readonly Problem[];

  constructor(problems: readonly Problem[]) {
    const more = problems.length - PROBLEMS_TOLD;
    super(
      [...problems.slice(0, PROBLEMS_TOLD).map(formatProblem), ...(more > 0 ? [`and ${more} more`] : [])].join("\n"),
    );
    this.problems = problems;
  }
}

/** `weir.yaml:3:5: server.tcp_adr: unknown key`, in the form that editors and CI jump to. */
export function formatProblem(problem: Problem): string {
  const { place, path, message } = problem;
  return [formatPlace(place), visible(path), visible(message, 1024)].filter((part) => part !== "").join(": ");
}

/** `weir.yaml:3:5`, or the name of the variable or option. */
export function formatPlace(place: Place): string {
  if ("variable" in place) return place.variable;
  return [visible(place.file, 4096), place.line, place.column].filter((part) => part !== undefined).join(":");
}

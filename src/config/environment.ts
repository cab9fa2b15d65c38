/** `WEIR_SERVER_TCP_ADDR=:1883` in place of `server.tcp_addr`: every key with one value has its variable. */
import { didYouMean, didYouMeanElsewhere } from "./near.ts";
import type { Problem } from "./problem.ts";
import type { Override } from "./reading.ts";
import { LISTS, SETTINGS } from "./schema.ts";
import { unsupported } from "./unsupported.ts";

const PREFIX = "WEIR_";

const PATHS = new Map(Object.keys(SETTINGS).map((path) => [variableOf(path), path]));
const LIST_PATHS = new Map(Object.keys(LISTS).map((path) => [variableOf(path), path]));

/** What Kubernetes and Docker links put into every container beside a service named weir. */
const INJECTED = /_(SERVICE_HOST|SERVICE_PORT(_.*)?|PORT_\d+_(TCP|UDP|SCTP)(_.*)?)$/;

/** Who calls a running broker, for the commands that do. */
export const USERNAME_VARIABLE = "WEIR_USERNAME";

/** The names of all variables that are read, for those who may read no others. */
export const VARIABLES: readonly string[] = [...PATHS.keys()];

/** `server.tcp_addr` is `WEIR_SERVER_TCP_ADDR`. */
export function variableOf(path: string): string {
  return PREFIX + path.replaceAll(".", "_").toUpperCase();
}

/** The overrides in `env`. A `WEIR_` variable that is no key is a problem: it was meant to be one. */
export function readEnvironment(
  env: Readonly<Record<string, string>>,
): { overrides: readonly Override[]; problems: readonly Problem[] } {
  const overrides: Override[] = [];
  const problems: Problem[] = [];
  for (const [variable, text] of Object.entries(env)) {
    if (!variable.startsWith(PREFIX) || isInjected(variable, text) || variable === USERNAME_VARIABLE) continue;
    const path = PATHS.get(variable);
    if (path !== undefined) overrides.push({ place: { variable }, path, text });
    else problems.push({ place: { variable }, ...refusal(variable) });
  }
  return { overrides, problems };
}

/** A port of theirs is an address with a scheme; a mere number was meant for the broker. */
function isInjected(variable: string, text: string): boolean {
  return INJECTED.test(variable) || (variable.endsWith("_PORT") && /^[a-z]+:\/\//.test(text));
}

function refusal(variable: string): { path: string; message: string } {
  const list = LIST_PATHS.get(variable);
  if (list !== undefined) return { path: list, message: "a list is written in the file only" };
  const hint = didYouMean(variable, PATHS.keys()) ||
    didYouMeanElsewhere(variable.slice(PREFIX.length - 1), PATHS.keys());
  const message = unsupported(keyOf(variable)) ?? `unknown variable${hint}`;
  return { path: "", message };
}

/** `WEIR_CLUSTER_NODE_ID` is `cluster.node_id`; good enough to recognise what is not supported. */
function keyOf(variable: string): string {
  return variable.slice(PREFIX.length).toLowerCase().replace("_", ".");
}

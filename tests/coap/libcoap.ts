/** Debian's coap-client as a peer that we did not write. */
import { Program } from "../support/program.ts";
import { findCommand } from "../support/skip.ts";

/** By which names it goes; for {@link requires}. */
export const COAP_CLIENT = "coap-client|coap-client-notls|coap-client-openssl|coap-client-gnutls";

/** Seconds after which a client that waits for an answer gives up. */
const PATIENCE_SECONDS = "20";

/** Starts a client; what it gets is on its standard output, errors of the server on its standard error. */
export function coapClient(args: readonly string[]): Program {
  return new Program(findCommand(...COAP_CLIENT.split("|"))!, ["-B", PATIENCE_SECONDS, ...args]);
}

/** Runs a client to its end. */
export async function coap(...args: readonly string[]): Promise<{ output: string; errors: string }> {
  await using client = coapClient(args);
  const { errors } = await client.end();
  return { output: client.said.join("\n"), errors: errors.trim() };
}

/** `weir serve`: runs the broker until a signal, and tells a person where it is. */
import { getLogger } from "@logtape/logtape";
import { type Config, doorsOf, type HttpConfig, type ListenerConfig, type TlsFiles } from "../config/config.ts";
import { ConfigError, formatProblem } from "../config/problem.ts";
import { visible, wordsOf } from "../core/text.ts";
import type { ListenerAddress } from "../server/listeners.ts";
import type { RunningServer } from "../server/serve.ts";
import { formatAddress } from "../config/text_type.ts";
import { explainListenFailure, explainStop, MESSAGE_CHARACTERS_MAX } from "./failure.ts";
import type { Host, SignalName } from "./host.ts";
import { openLog } from "./log.ts";

/** Opens every listener or none. */
export type Serve = (config: Config) => Promise<RunningServer>;

/** What a shell says of a process that a signal ended. */
export const CODE_OF_SIGNAL = { SIGINT: 130, SIGTERM: 143 } satisfies Partial<Record<SignalName, number>>;

/** Runs the broker until it has stopped; `load` reads the configuration, at the start and at SIGHUP. Answers the exit code. */
export async function runServe(load: () => Config, host: Host): Promise<number> {
  const config = load();
  const stopWish = listenToSignals(host); // before the first listener: a signal is never lost
  let server: RunningServer | undefined;
  host.onSignal("SIGHUP", () => void reload(server, load, host)); // before the first one ends the process
  openLog(config.log, (line) => host.complain(line));
  const serve = await host.loadServe();
  try {
    server = await serve(config);
  } catch (error) {
    const words = explainListenFailure(
      error,
      doorsOf(config).map(formatAddress),
    );
    if (words === undefined) throw error;
    host.complain(words);
    return 1;
  }
  host.onServing();
  for (const line of greeting(server, config, host.permissions())) host.print(line);
  const stopped = stopWish.then(() => {
    host.print("Stopping: clients are told. Ctrl-C again stops at once.");
    return server!.stop();
  });
  try {
    await Promise.race([server.finished, stopped]);
  } catch (error) {
    host.complain(explainStop(error));
    return 1;
  }
  host.print("Stopped.");
  return 0;
}

/** Whatever goes wrong is told, and never ends the broker. */
async function reload(server: RunningServer | undefined, load: () => Config, host: Host): Promise<void> {
  try {
    await server?.reload(loadAgain(load, host));
  } catch (error) {
    getLogger(["weir"]).error("what should have been read again stays as it was: {error}", { error: wordsOf(error) });
  }
}

/** The configuration as it is now, and its log; undefined when it cannot be used, which is told: what was stays. */
function loadAgain(load: () => Config, host: Host): Config | undefined {
  try {
    const config = load();
    openLog(config.log, (line) => host.complain(line));
    return config;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    for (const problem of error.problems) {
      getLogger(["weir"]).error("the configuration stays as it was: {problem}", { problem: formatProblem(problem) });
    }
    return undefined;
  }
}

/** Resolves at the first signal; the second one ends the process, whatever it is doing. */
function listenToSignals(host: Host): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  let isStopping = false;
  for (const name of ["SIGINT", "SIGTERM"] as const) {
    host.onSignal(name, () => {
      if (isStopping) host.exit(CODE_OF_SIGNAL[name]);
      isStopping = true;
      resolve();
    });
  }
  return promise;
}

function greeting(server: RunningServer, config: Config, permissions: string): string[] {
  const { httpListener: http, coapListener: coap } = server;
  const bridges = [http, coap].filter((door) => door !== undefined);
  const width = Math.max(...[...server.listeners, ...bridges].map(({ name }) => name.length));
  const line = (listener: ListenerAddress, note: string) => {
    return `  ${listener.name.padEnd(width)}  ${formatAddress(listener)}${note}`;
  };
  const listeners = server.listeners.map((listener, index) => line(listener, listenerNote(config.listeners[index])));
  const isPlain = ({ tls, webSocket, proxyProtocol }: ListenerConfig) =>
    tls === null && webSocket === undefined && proxyProtocol === undefined;
  const first = Math.max(0, config.listeners.findIndex(isPlain));
  const { hostname, port } = server.listeners[first];
  const target = `${hostOption(hostname)}${port === 1883 ? "" : ` -p ${port}`}${
    tlsOption(config.listeners[first].tls)
  }${config.auth.allowAnonymous ? "" : " -u NAME -P PASSWORD"}`;
  return [
    "Weir is ready for MQTT clients.",
    ...listeners,
    ...http === undefined ? [] : [line(http, httpNote(config.http!))],
    ...coap === undefined ? [] : [line(coap, "  CoAP over UDP")],
    `Data: ${visible(server.dataDescription, MESSAGE_CHARACTERS_MAX)}.`,
    `It may ${permissions}.`,
    "Try it:",
    `  mosquitto_sub${target} -t 'hello/#' -v`,
    `  mosquitto_pub${target} -t hello/world -m hi`,
    "Ctrl-C stops it.",
  ];
}

function listenerNote({ tls, webSocket, proxyProtocol }: ListenerConfig): string {
  const path = webSocket === undefined ? "" : `  WebSocket at ${webSocket.path}`;
  return path + proxyNote(proxyProtocol) + tlsNote(tls);
}

function httpNote({ tls, proxyProtocol }: HttpConfig): string {
  return `  HTTP${tlsNote(tls).replace("  TLS", " over TLS")}${proxyNote(proxyProtocol)}`;
}

function proxyNote(proxyProtocol: ListenerConfig["proxyProtocol"]): string {
  return proxyProtocol === undefined ? "" : "  behind a proxy";
}

function tlsNote(tls: TlsFiles | null): string {
  if (tls === null) return "";
  return tls.clientAuth === "require" ? "  TLS, for clients with a certificate" : "  TLS";
}

/** Whose signature the clients have to trust is not in our files. */
function tlsOption(tls: TlsFiles | null): string {
  if (tls === null) return "";
  return ` --cafile CA.crt${tls.clientAuth === "require" ? " --cert CLIENT.crt --key CLIENT.key" : ""}`;
}

/** mosquitto's clients go to localhost by themselves, which may be IPv4 or IPv6. */
function hostOption(hostname: string): string {
  return ["127.0.0.1", "localhost", "0.0.0.0", "::"].includes(hostname) ? "" : ` -h ${hostname}`;
}

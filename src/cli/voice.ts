/** What `weir serve` says of itself: in words to a person, or as lines of the log where collectors read. */
import { getLogger } from "@logtape/logtape";
import type { Config, HttpConfig, ListenerConfig, LogConfig, TlsFiles } from "../config/config.ts";
import { formatAddress } from "../config/text_type.ts";
import { visible } from "../core/text.ts";
import type { ListenerAddress } from "../server/listeners.ts";
import type { RunningServer } from "../server/serve.ts";
import { VERSION } from "../server/version.ts";
import { MESSAGE_CHARACTERS_MAX, whyStopped } from "./failure.ts";
import type { Host } from "./host.ts";

/** A broker that listens. */
export interface Started {
  readonly server: RunningServer;
  readonly config: Config;
  /** What the process may do, for people. */
  readonly permissions: string;
}

/** Tells what becomes of the broker. */
export interface Voice {
  started(started: Started): void;
  stopping(): void;
  stopped(): void;
  /** It had to stop. */
  failed(error: unknown): void;
}

/** The voice for whoever reads this log. */
export function voiceOf({ format }: LogConfig, host: Host): Voice {
  return format === "json" ? LOGGED : spoken(host);
}

function spoken(host: Host): Voice {
  return {
    started: (started) => greeting(started).forEach((line) => host.print(line)),
    stopping: () => host.print("Stopping: clients are told. Ctrl-C again stops at once."),
    stopped: () => host.print("Stopped."),
    failed: (error) =>
      host.complain(`weir: The broker had to stop: ${visible(whyStopped(error), MESSAGE_CHARACTERS_MAX)}`),
  };
}

const logger = getLogger(["weir"]);

const LOGGED: Voice = {
  started({ server, config, permissions }) {
    for (const { name: listener, address, note } of openDoors(server, config)) {
      logger.info("listener {listener} is open on {address}", { listener, address, ...note !== "" && { note } });
    }
    const { dataDescription: data } = server;
    logger.info("weir {version} is ready", { version: VERSION, config: config.file ?? null, data, permissions });
  },
  stopping: () => logger.info("stopping: clients are told"),
  stopped: () => logger.info("stopped"),
  failed: (error) => logger.error("the broker had to stop: {error}", { error: whyStopped(error) }),
};

function greeting({ server, config, permissions }: Started): string[] {
  const doors = openDoors(server, config);
  const width = Math.max(...doors.map(({ name }) => name.length));
  const isPlain = ({ tls, webSocket, proxyProtocol }: ListenerConfig) =>
    tls === null && webSocket === undefined && proxyProtocol === undefined;
  const first = Math.max(0, config.listeners.findIndex(isPlain));
  const { hostname, port } = server.listeners[first];
  const target = `${hostOption(hostname)}${port === 1883 ? "" : ` -p ${port}`}${
    tlsOption(config.listeners[first].tls)
  }${config.auth.allowAnonymous ? "" : " -u NAME -P PASSWORD"}`;
  const { file } = config;
  return [
    `Weir ${VERSION} is ready for MQTT clients.`,
    ...doors.map(({ name, address, note }) => `  ${name.padEnd(width)}  ${address}${note === "" ? "" : `  ${note}`}`),
    ...file === undefined ? [] : [`Configuration: ${visible(file, MESSAGE_CHARACTERS_MAX)}.`],
    `Data: ${visible(server.dataDescription, MESSAGE_CHARACTERS_MAX)}.`,
    `It may ${permissions}.`,
    "Try it:",
    `  mosquitto_sub${target} -t 'hello/#' -v`,
    `  mosquitto_pub${target} -t hello/world -m hi`,
    "Ctrl-C stops it.",
  ];
}

/** Where the broker listens, and what is special there. */
interface Door {
  readonly name: string;
  readonly address: string;
  /** Empty for plain MQTT. */
  readonly note: string;
}

function openDoors({ listeners, httpListener, coapListener }: RunningServer, config: Config): Door[] {
  const door = (listener: ListenerAddress | undefined, note: () => string) =>
    listener === undefined ? [] : [{ name: listener.name, address: formatAddress(listener), note: note() }];
  return [
    ...listeners.flatMap((listener, index) => door(listener, () => listenerNote(config.listeners[index]))),
    ...door(httpListener, () => httpNote(config.http!)),
    ...door(coapListener, () => "CoAP over UDP"),
  ];
}

function listenerNote({ tls, webSocket, proxyProtocol }: ListenerConfig): string {
  const path = webSocket === undefined ? "" : `WebSocket at ${webSocket.path}`;
  return noteOf(path, proxyNote(proxyProtocol), tlsNote(tls));
}

function httpNote({ tls, proxyProtocol }: HttpConfig): string {
  return noteOf(tls === null ? "HTTP" : `HTTP over ${tlsNote(tls)}`, proxyNote(proxyProtocol));
}

function noteOf(...parts: string[]): string {
  return parts.filter((part) => part !== "").join("  ");
}

function proxyNote(proxyProtocol: ListenerConfig["proxyProtocol"]): string {
  return proxyProtocol === undefined ? "" : "behind a proxy";
}

function tlsNote(tls: TlsFiles | null): string {
  if (tls === null) return "";
  return tls.clientAuth === "require" ? "TLS, for clients with a certificate" : "TLS";
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

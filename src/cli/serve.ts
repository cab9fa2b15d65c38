/** `weir serve`: runs the broker until a signal, and tells a person where it is. */
import { getLogger } from "@logtape/logtape";
import { type Config, doorsOf } from "../config/config.ts";
import { ConfigError, formatProblem } from "../config/problem.ts";
import { wordsOf } from "../core/text.ts";
import type { RunningServer } from "../server/serve.ts";
import { formatAddress } from "../config/text_type.ts";
import { explainListenFailure } from "./failure.ts";
import type { Host, SignalName } from "./host.ts";
import { openLog } from "./log.ts";
import { voiceOf } from "./voice.ts";

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
  const voice = voiceOf(config.log, host);
  voice.started({ server, config, permissions: host.permissions() });
  const stopped = stopWish.then(() => {
    voice.stopping();
    return server!.stop();
  });
  try {
    await Promise.race([server.finished, stopped]);
  } catch (error) {
    voice.failed(error);
    return 1;
  }
  voice.stopped();
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

/** The brokers whose durable queues are measured: Weir on SQLite, and beside it NATS JetStream and RabbitMQ where they are installed. */

import { findCommand } from "../support/skip.ts";
import { type Contender, freePort, HEAP, launch, MAIN } from "./contender.ts";

/** What the generator calls the queue of a run whose id is 7: the stream that keeps a backlog. */
export const STREAM_RUN_ID = "7";

/** Messages that a consumer holds at a time, the same for all. */
const PREFETCH = 100;

/** A broker, and how it is spoken to: durable queues of its own, or what MQTT 3.1.1 has instead. */
export interface QueueContender extends Contender {
  /** `--queue`: one queue, a group of consumers. `--spread`: a persistent session for each consumer, which these brokers keep in a
   * stream or queue on disk each. */
  readonly flag: "--queue" | "--spread";
}

/** Weir, with each commit synced to disk before anything is acknowledged. */
export function weirQueues(): QueueContender {
  return {
    name: "weir",
    flag: "--queue",
    start: () =>
      launch("weir", async (folder, port) => {
        await Deno.writeTextFile(`${folder}/weir.yaml`, weirConfig(folder, port));
        return [Deno.execPath(), "run", "-A", HEAP, MAIN, "--config", `${folder}/weir.yaml`];
      }),
  };
}

/** NATS with its MQTT listener, which keeps QoS 1 in JetStream files. It does not sync them before it acknowledges. */
export function natsJetStream(): QueueContender | undefined {
  const path = findCommand("nats-server");
  if (path === undefined) return undefined;
  return {
    name: "nats",
    flag: "--spread",
    start: () =>
      launch("nats", async (folder, port) => {
        await Deno.writeTextFile(`${folder}/nats.conf`, natsConfig(folder, port));
        return [path, "-c", `${folder}/nats.conf`, "-l", `${folder}/log`];
      }),
  };
}

/** RabbitMQ with its MQTT plugin, which keeps QoS 1 in durable classic queues and acknowledges by publisher confirms. */
export function rabbitMq(): QueueContender | undefined {
  const folders = ["/usr/lib/rabbitmq/bin", "/usr/local/sbin", "/usr/local/bin"]; // Debian's in /usr/sbin changes the user
  const path = folders.map((folder) => `${folder}/rabbitmq-server`).find(isThere);
  const epmd = findCommand("epmd");
  if (path === undefined || epmd === undefined) return undefined;
  return {
    name: "rabbitmq",
    flag: "--spread",
    async start() {
      const root = await Deno.makeTempDir({ prefix: "weir-bench-rabbitmq-" });
      const [epmdPort, distributionPort] = [`${freePort()}`, `${freePort()}`];
      const env = rabbitEnvironment(root, { epmdPort, distributionPort });
      const commandOf = async (_: string, port: number) => {
        await Deno.writeTextFile(`${root}/rabbitmq.conf`, rabbitConfig(port));
        await Deno.writeTextFile(`${root}/enabled_plugins`, "[rabbitmq_mqtt].");
        return [path];
      };
      const afterwards = async () => {
        await new Deno.Command(epmd, { args: ["-port", epmdPort, "-kill"], stdout: "null", stderr: "null" }).output();
        await Deno.remove(root, { recursive: true });
      };
      return await launch("rabbitmq", commandOf, { env, afterwards });
    },
  };
}

function isThere(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

function weirConfig(folder: string, port: number): string {
  return `server:
  tcp_addr: "127.0.0.1:${port}"
log:
  level: error
queue:
  prefetch: ${PREFETCH}
  limits: { max_depth: unlimited }
queues:
  - name: b0000000${STREAM_RUN_ID}
    type: stream
storage:
  type: sqlite
  path: ${folder}/data
  sync: full
`;
}

function natsConfig(folder: string, port: number): string {
  return `listen: "127.0.0.1:${freePort()}"
server_name: bench
jetstream { store_dir: "${folder}/jetstream" }
mqtt { listen: "127.0.0.1:${port}", max_ack_pending: ${PREFETCH} }
`;
}

function rabbitConfig(port: number): string {
  return `listeners.tcp = none
mqtt.listeners.tcp.1 = 127.0.0.1:${port}
mqtt.prefetch = ${PREFETCH}
`;
}

function rabbitEnvironment(
  root: string,
  { epmdPort, distributionPort }: { epmdPort: string; distributionPort: string },
): Record<string, string> {
  return {
    RABBITMQ_NODENAME: "weir-bench@localhost",
    RABBITMQ_CONFIG_FILE: `${root}/rabbitmq.conf`,
    RABBITMQ_MNESIA_BASE: `${root}/mnesia`,
    RABBITMQ_LOG_BASE: `${root}/log`,
    RABBITMQ_ENABLED_PLUGINS_FILE: `${root}/enabled_plugins`,
    RABBITMQ_DIST_PORT: distributionPort,
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: "-kernel inet_dist_use_interface {127,0,0,1}",
    ERL_EPMD_PORT: epmdPort,
    ERL_EPMD_ADDRESS: "127.0.0.1",
  };
}

import { getLogger } from "@logtape/logtape";
import { AccessRules } from "../auth/access_rules.ts";
import type { Config, HttpConfig, ListenerConfig, StorageConfig } from "../config/config.ts";
import { wordsOf } from "../core/text.ts";
import { resolve } from "node:path";
import { type Address, formatAddress } from "../config/text_type.ts";
import type { Store } from "../core/ports.ts";
import { MemoryStore } from "../store/memory.ts";
import { openDataFolder } from "../store/sqlite/data_folder.ts";
import { SCHEMA_VERSION } from "../store/sqlite/schema.ts";
import { AuthenticationChain } from "./authentication_chain.ts";
import { logHappenings } from "./happening_log.ts";
import type { ListenerAddress } from "./listeners.ts";
import { looseFiles } from "./configured_files.ts";
import { decoySecret } from "./decoy_secret.ts";
import type { BrokerOptions } from "./options.ts";
import { withExempt } from "./exempt.ts";
import { reload } from "./reload.ts";
import { readTls } from "./tls_files.ts";
import { WeirBroker } from "./weir_broker.ts";

/** A broker as the program runs it. */
export interface RunningServer {
  readonly listeners: readonly ListenerAddress[];
  /** The HTTP bridge, when it is on. */
  readonly httpListener?: ListenerAddress;
  /** The CoAP door, when it is open. */
  readonly coapListener?: ListenerAddress;
  /** Where the data is, for people: "in memory only, 2096 MiB at most, lost at stop". */
  readonly dataDescription: string;
  /** Settles when the broker has stopped, rejects when it had to. */
  readonly finished: Promise<void>;
  /** Settles when every client has been told and the store is closed. */
  stop(): Promise<void>;
  /** Takes over what may change while the broker runs, from a configuration that was read again and from files. What is not usable is
   * told in the log and changes nothing, what needs a restart is named. Without a configuration only files are read. */
  reload(after?: Config): Promise<void>;
}

/** Starts a broker from its configuration and opens every listener, or none: when one cannot be opened the broker is stopped again.
 * @throws {Error} naming the address, with what the system said as its cause */
export async function serve(config: Config): Promise<RunningServer> {
  const { storage } = config;
  for (const listener of config.listeners) await opening(listener, () => tryAddress(listener)); // before anything is made for it on the disk
  if (config.http !== null) await opening(config.http, () => tryAddress(config.http!));
  if (config.coap !== null) await opening(config.coap, () => tryUdpAddress(config.coap!));
  const { rules: listed, otherwise } = config.auth.acl;
  const rules = new AccessRules(listed, { otherwise });
  const store = await openStore(storage);
  const chain = await openChain(config, rules).catch(async (error) => {
    await undo(() => store.close()); // and with it the lock on the data folder
    throw error;
  });
  const options: BrokerOptions = {
    store,
    limits: config.limits,
    protocol: config.protocol,
    connection: config.connection,
    authenticator: chain.authenticator,
    authenticationMethods: chain.methods,
    failedLogins: withExempt(config.auth.failedLogins),
    mayPublishStored: (will) => chain.isKnown(will.author ?? {}) && rules.mayPublishStored(will),
    rateLimits: withExempt(config.rateLimits),
    queues: config.queues,
    sysIntervalMs: config.sys.intervalMs,
    shutdownTimeoutMs: config.shutdownTimeoutMs,
  };
  const broker = await WeirBroker.start(options).catch(async (error) => {
    chain[Symbol.dispose]();
    await undo(() => store.close());
    throw error;
  });
  const endLog = logHappenings(broker);
  const onFinished = () => {
    endLog();
    chain[Symbol.dispose]();
  };
  broker.finished.finally(onFinished).catch(() => {}); // told by who looks at it
  for (const warning of await looseFiles(config)) getLogger(["weir"]).warn("{warning}", { warning });
  try {
    const listeners: ListenerAddress[] = [];
    for (const listener of config.listeners) {
      listeners.push(await opening(listener, () => open(broker, listener, config.connection)));
    }
    const { http, coap } = config;
    const httpListener = http === null ? undefined : await opening(http, () => openHttp(broker, http));
    const coapListener = coap === null ? undefined : await opening(coap, () => broker.listenCoap(coap));
    return {
      listeners,
      httpListener,
      coapListener,
      dataDescription: store instanceof MemoryStore ? inMemory(store) : `in the folder ${resolve(storage.path)}`,
      finished: broker.finished,
      stop: () => broker.stop(),
      reload: (after) => reload({ broker, rules, chain }, config, after),
    };
  } catch (error) {
    await undo(() => broker.stop());
    throw error;
  }
}

/** Undoes a part of a start that has failed. Where that fails too, the log tells it: the caller is told why the start did. */
async function undo(part: () => Promise<void>): Promise<void> {
  try {
    await part();
  } catch (error) {
    getLogger(["weir"]).error("what a start had opened could not be closed: {error}", { error });
  }
}

async function openStore({ type, path, sync, memoryLimit }: StorageConfig): Promise<Store> {
  if (type === "memory") return new MemoryStore({ bytesMax: memoryLimit });
  const store = await openDataFolder(path, { sync });
  const { foundVersion } = store;
  if (foundVersion > 0 && foundVersion < SCHEMA_VERSION) {
    const versions = { foundVersion, version: SCHEMA_VERSION };
    getLogger(["weir"]).info("the database was of version {foundVersion}, it is of version {version} now", versions);
  }
  return store;
}

/** What `storage.memory_limit: auto` has come to is told nowhere else. */
function inMemory({ bytesMax }: MemoryStore): string {
  const most = bytesMax === Infinity ? "" : `, ${Math.floor(bytesMax / 1024 ** 2)} MiB at most`;
  return `in memory only${most}, lost at stop`;
}

/** When there are users with SCRAM, those who do not exist are answered as before a restart. */
async function openChain({ auth, storage }: Config, { policyOf }: AccessRules): Promise<AuthenticationChain> {
  const secret = auth.scramUsers.length > 0 ? await decoySecret(storage, auth.scramUsers) : undefined;
  return await AuthenticationChain.open(auth, { policyOf, decoySecret: secret });
}

/** A listener that cannot be opened; the message is for people. */
class ListenError extends Error {
  override readonly name = "ListenError";
}

/** Opens an address with `open`; what fails says which one. */
async function opening<T>(listener: Address, open: () => T | Promise<T>): Promise<T> {
  try {
    return await open();
  } catch (cause) {
    throw new ListenError(`Cannot listen on ${formatAddress(listener)}: ${wordsOf(cause)}`, { cause });
  }
}

async function openHttp(broker: WeirBroker, { tls, ...options }: HttpConfig): Promise<ListenerAddress> {
  return await broker.listenHttp({ ...options, tls: tls === null ? undefined : await readTls(tls) });
}

async function open(
  broker: WeirBroker,
  listener: ListenerConfig,
  { tcpNoDelay }: Config["connection"],
): Promise<ListenerAddress> {
  const { tls, ...options } = { ...listener, noDelay: tcpNoDelay };
  return tls === null ? broker.listen(options) : await broker.listenTls({ ...options, tls: await readTls(tls) });
}

/** Fails as listening would: an address that is in use, or not to be had. */
function tryAddress({ hostname, port }: Address): void {
  Deno.listen({ hostname, port }).close();
}

function tryUdpAddress({ hostname, port }: Address): void {
  Deno.listenDatagram({ transport: "udp", hostname, port }).close();
}

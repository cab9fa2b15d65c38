import { anonymous, type Authenticator } from "../auth/authenticator.ts";
import { PasswordUsers } from "../auth/password_users.ts";
import { ScramSha256 } from "../auth/scram_sha_256.ts";
import type { AuthConfig, Config, ListenerConfig } from "../config/config.ts";
import { resolve } from "node:path";
import { formatAddress } from "../config/text_type.ts";
import { MemoryStore } from "../store/memory.ts";
import { openDataFolder } from "../store/sqlite/data_folder.ts";
import { logHappenings } from "./happening_log.ts";
import type { BrokerOptions } from "./options.ts";
import { type ListenerAddress, WeirBroker } from "./weir_broker.ts";

/** A broker as the program runs it. */
export interface RunningServer {
  readonly listeners: readonly ListenerAddress[];
  /** Where the data is, for people: "in memory only, lost at stop". */
  readonly dataDescription: string;
  /** Settles when the broker has stopped, rejects when it had to. */
  readonly finished: Promise<void>;
  /** Settles when every client has been told and the store is closed. */
  stop(): Promise<void>;
}

/** Starts a broker from its configuration and opens every listener, or none: when one cannot be opened the broker is stopped again.
 * @throws {Error} naming the address, with what the system said as its cause */
export async function serve(config: Config): Promise<RunningServer> {
  const { storage } = config;
  for (const listener of config.listeners) opening(listener, tryAddress); // before anything is made for it on the disk
  const store = storage.type === "memory"
    ? new MemoryStore()
    : await openDataFolder(storage.path, { sync: storage.sync });
  const options: BrokerOptions = {
    store,
    limits: config.limits,
    protocol: config.protocol,
    connection: config.connection,
    authenticator: authenticatorOf(config.auth),
    authenticationMethods: config.auth.scramUsers.length > 0 ? [new ScramSha256(finderOf(config.auth))] : [],
    sysIntervalMs: config.sys.intervalMs,
    shutdownTimeoutMs: config.shutdownTimeoutMs,
  };
  const broker = await WeirBroker.start(options).catch(async (error) => {
    await store.close(); // and with it the lock on the data folder
    throw error;
  });
  logHappenings(broker);
  try {
    const { tcpNoDelay } = config.connection;
    const listeners = config.listeners.map((listener) => {
      return opening(listener, () => broker.listen({ ...listener, noDelay: tcpNoDelay }));
    });
    return {
      listeners,
      dataDescription: storage.type === "memory"
        ? "in memory only, lost at stop"
        : `in the folder ${resolve(storage.path)}`,
      finished: broker.finished,
      stop: () => broker.stop(),
    };
  } catch (error) {
    await broker.stop();
    throw error;
  }
}

/** Opens an address with `open`; what fails says which one. */
function opening<T>(listener: ListenerConfig, open: (listener: ListenerConfig) => T): T {
  try {
    return open(listener);
  } catch (cause) {
    throw new Error(`Cannot listen on ${formatAddress(listener)}`, { cause });
  }
}

/** Fails as listening would: an address that is in use, or not to be had. */
function tryAddress({ hostname, port }: ListenerConfig): void {
  Deno.listen({ hostname, port }).close();
}

function authenticatorOf(auth: AuthConfig): Authenticator {
  const { scramUsers, allowAnonymous } = auth;
  return scramUsers.length === 0 && allowAnonymous ? anonymous : new PasswordUsers(finderOf(auth), { allowAnonymous });
}

function finderOf({ scramUsers }: AuthConfig): (username: string) => AuthConfig["scramUsers"][number] | undefined {
  const byName = new Map(scramUsers.map((user) => [user.username, user]));
  return (username) => byName.get(username);
}

/** Calls to a running broker, by its HTTP listener. */
import { USERNAME_VARIABLE } from "../config/environment.ts";
import { visible } from "../core/text.ts";
import { UsageError } from "./arguments.ts";
import { CommandError } from "./failure.ts";
import type { Host } from "./host.ts";

const URL_DEFAULT = "http://127.0.0.1:8080";
const TIMEOUT_MS = 60_000;

/** One call. */
export interface AdminCall {
  readonly method: "GET" | "PUT" | "PATCH" | "POST" | "DELETE";
  /** With its query, encoded. */
  readonly path: string;
  readonly json?: unknown;
}

/** Who calls a running broker, and where it is. */
export class AdminClient {
  readonly #url: URL;
  readonly #authorization: string | undefined;

  /** Asks for the password where there is a user and no file with one.
   * @throws {UsageError} for a URL that is none
   * @throws {CommandError} without a password, or where it would be sent in clear text to another machine */
  constructor(options: ReadonlyMap<string, string>, host: Host) {
    this.#url = urlOf(options.get("url") ?? URL_DEFAULT);
    const username = options.get("username") ?? host.environment()[USERNAME_VARIABLE];
    if (username === undefined) return;
    if (username.includes(":")) throw new UsageError("--username cannot contain a colon: HTTP has no way to send it");
    if (this.#url.protocol !== "https:" && !isHere(this.#url)) {
      throw new CommandError(`Cannot send a password to ${this.#url.host} in clear text: take an https URL`);
    }
    const password = passwordOf(username, options.get("password-file"), host);
    this.#authorization = `Basic ${new TextEncoder().encode(`${username}:${password}`).toBase64()}`;
  }

  /** The document that is answered; undefined where there is none.
   * @throws {CommandError} what the broker says when it does not */
  async call({ method, path, json }: AdminCall): Promise<unknown> {
    const headers = new Headers(json === undefined ? {} : { "content-type": "application/json" });
    if (this.#authorization !== undefined) headers.set("authorization", this.#authorization);
    const body = json === undefined ? undefined : JSON.stringify(json);
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    const url = `${this.#url.href.replace(/\/$/, "")}${path}`;
    let response, text;
    try {
      response = await fetch(url, { method, headers, body, signal, redirect: "error" });
      text = await response.text();
    } catch (cause) {
      if (cause instanceof Deno.errors.NotCapable) throw cause;
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new CommandError(`Cannot reach a broker at ${this.#url.href}: ${visible(why)}`, { cause });
    }
    const document = documentOf(text);
    if (response.ok) return document;
    throw new CommandError(explain(response.status, document));
  }
}

/** @throws {UsageError} */
function urlOf(text: string): URL {
  const url = URL.parse(text);
  const isPlain = url !== null && /^https?:$/.test(url.protocol) && url.search === "" && url.hash === "";
  if (!isPlain) throw new UsageError(`--url needs an address such as ${URL_DEFAULT}, found "${text}"`);
  if (url.username !== "" || url.password !== "") {
    throw new UsageError("--url cannot hold a user and a password, which others on the machine would see");
  }
  return url;
}

function isHere({ hostname }: URL): boolean {
  return hostname === "localhost" || hostname === "[::1]" || /^127\.\d+\.\d+\.\d+$/.test(hostname);
}

function passwordOf(username: string, file: string | undefined, host: Host): string {
  const password = file === undefined
    ? host.readSecret(`Password of ${visible(username)}: `)
    : new TextDecoder().decode(host.readFile(file)).split("\n")[0].replace(/\r$/, "");
  if (password !== undefined && password !== "") return password;
  throw new CommandError(
    "Cannot call without a password: type one, write it to standard input, or name --password-file",
  );
}

function documentOf(text: string): unknown {
  if (text === "") return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // not from a broker
  }
}

function explain(status: number, document: unknown): string {
  const detail = (document as { detail?: unknown } | undefined)?.detail;
  if (typeof detail !== "string") return `The answer was ${status}, and not from a broker`;
  return status === 401 ? `${detail}. Name who you are with --username or ${USERNAME_VARIABLE}` : detail;
}

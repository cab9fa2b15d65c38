/** Calls to a running broker, by its HTTP listener. */
import { isLoopback } from "../address/address_ranges.ts";
import { pastProxies, readBody, whyFailed } from "../auth/bounded_fetch.ts";
import { USERNAME_VARIABLE } from "../config/environment.ts";
import { visible } from "../core/text.ts";
import { UsageError } from "./arguments.ts";
import { CommandError } from "./failure.ts";
import type { Host } from "./host.ts";

const URL_DEFAULT = "http://127.0.0.1:8080";
const TIMEOUT_MS = 60_000;
/** A page of dead letters has 8 MiB and one message more. */
const ANSWER_BYTES_MAX = 128 * 1024 ** 2;

/** One call. */
export interface AdminCall {
  readonly method: "GET" | "PUT" | "PATCH" | "POST" | "DELETE";
  /** With its query, encoded. */
  readonly path: string;
  readonly json?: unknown;
}

/** What a command was told. */
type Options = ReadonlyMap<string, string>;

interface TlsOptions {
  readonly caCerts?: string[];
  readonly cert?: string;
  readonly key?: string;
}

/** Who calls a running broker, and where it is. */
export class AdminClient {
  readonly #url: URL;
  readonly #authorization: string | undefined;
  readonly #tls: TlsOptions;

  /** Asks for the password where there is a user and no file with one.
   * @throws {UsageError} for a URL that is none, and options that contradict each other
   * @throws {CommandError} without a password, or where a secret would be sent in clear text to another machine */
  constructor(options: Options, host: Host) {
    this.#url = urlOf(options.get("url") ?? URL_DEFAULT);
    this.#tls = tlsOf(options, host);
    this.#authorization = authorizationOf(this.#url, options, host);
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
      using client = Deno.createHttpClient({ ...this.#tls, proxy: pastProxies(this.#url) });
      response = await fetch(url, { method, headers, body, signal, client, redirect: "error" });
      text = new TextDecoder().decode(await readBody(response, ANSWER_BYTES_MAX));
    } catch (cause) {
      if (cause instanceof Deno.errors.NotCapable) throw cause;
      const why = whyFailed(cause, url);
      throw new CommandError(`Cannot reach a broker at ${this.#url.href}: ${visible(why)}${hintFor(why)}`, { cause });
    }
    const document = documentOf(text);
    if (response.ok && (document !== undefined || text === "")) return document;
    throw new CommandError(explain(response.status, document));
  }
}

/** @throws {UsageError} */
function urlOf(text: string): URL {
  const url = URL.parse(text);
  if (url !== null && (url.username !== "" || url.password !== "")) {
    throw new UsageError("--url cannot hold a user and a password, which others on the machine would see");
  }
  const isPlain = url !== null && /^https?:$/.test(url.protocol) && url.search === "" && url.hash === "";
  if (!isPlain) throw new UsageError(`--url needs an address such as ${URL_DEFAULT}, found "${text}"`);
  return url;
}

/** The header that says who calls; undefined for nobody in particular. */
function authorizationOf(url: URL, options: Options, host: Host): string | undefined {
  const tokenFile = options.get("token-file");
  const username = options.get("username") ??
    (tokenFile === undefined ? host.environment()[USERNAME_VARIABLE] : undefined);
  if (tokenFile !== undefined && username !== undefined) {
    throw new UsageError("--token-file says who you are: leave --username out");
  }
  if (tokenFile === undefined && username === undefined) return undefined;
  if (username?.includes(":")) throw new UsageError("--username cannot contain a colon: HTTP has no way to send it");
  if (url.protocol !== "https:" && !isLoopback(url.hostname)) {
    const secret = username === undefined ? "token" : "password";
    throw new CommandError(`Cannot send a ${secret} to ${url.host} in clear text: take an https URL`);
  }
  if (username === undefined) return `Bearer ${firstLine("token-file", options, host)}`;
  const password = passwordOf(username, options, host);
  return `Basic ${new TextEncoder().encode(`${username}:${password}`).toBase64()}`;
}

function passwordOf(username: string, options: Options, host: Host): string {
  const password = options.has("password-file")
    ? firstLine("password-file", options, host)
    : host.readSecret(`Password of ${visible(username)}: `);
  if (password !== undefined && password !== "") return password;
  throw new CommandError(
    "Cannot call without a password: type one, write it to standard input, or name --password-file",
  );
}

/** Whom to trust, and the certificate to show. */
function tlsOf(options: Options, host: Host): TlsOptions {
  if (options.has("cert") !== options.has("key")) throw new UsageError("--cert and --key go together");
  const pem = (option: string) => options.has(option) ? readText(option, options, host) : undefined;
  const [authority, cert, key] = ["cacert", "cert", "key"].map(pem);
  return { ...authority !== undefined && { caCerts: [authority] }, ...cert !== undefined && { cert, key } };
}

function firstLine(option: string, options: Options, host: Host): string {
  const [line] = readText(option, options, host).split("\n");
  if (line.trim() !== "") return line.replace(/\r$/, "");
  throw new CommandError(`Cannot use --${option} ${options.get(option)}: its first line is empty`);
}

/** The file that an option names. */
function readText(option: string, options: Options, host: Host): string {
  const path = options.get(option)!;
  try {
    return new TextDecoder().decode(host.readFile(path));
  } catch (cause) {
    if (cause instanceof Deno.errors.NotCapable) throw cause;
    const why = cause instanceof Deno.errors.NotFound ? "there is no such file" : (cause as Error).message;
    throw new CommandError(`Cannot read --${option} ${path}: ${why}`, { cause });
  }
}

/** What to do about it, where that is known. */
function hintFor(why: string): string {
  if (/UnknownIssuer/.test(why)) return ". --cacert names whom to trust";
  return /refused/i.test(why) ? ". The broker needs server.http_enabled: true; --url says where that listens" : "";
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
  if (status !== 401) return detail;
  return `${detail}. Name who you are with --username, ${USERNAME_VARIABLE} or --token-file`;
}

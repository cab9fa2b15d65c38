import { isThisMachine } from "../../address/this_machine.ts";
import type { Gateway } from "../gateway.ts";
import { Call, type CallParts, type HttpRequest, textAnswer } from "./call.ts";
import { Cors } from "./cors.ts";
import { EventStreams } from "./event_stream.ts";
import { HttpProblem, problemBody, problemOf } from "./problem.ts";
import { Query } from "./query.ts";
import { findRoute, type FoundRoute, methodsOf } from "./routes.ts";

/** How a bridge serves. */
export interface HttpBridgeOptions {
  /** Pages of these origins may use it: `https://app.example.com`, `*.example.com` or `*`, which is every one. None when absent. */
  readonly corsOrigins?: readonly string[];
  /** Largest body of a request; 4 MiB. */
  readonly bodyBytesMax?: number;
  /** A body must have arrived this long after its headers; 30,000 ms. */
  readonly requestTimeoutMs?: number;
  /** Event streams, polls and requests that wait, at a time; 1,000. */
  readonly subscriptionsMax?: number;
  /** An event stream without events gets a comment this often; 15,000 ms. */
  readonly heartbeatMs?: number;
  /** An event stream whose reader takes nothing for this long is cut; 60,000 ms. */
  readonly writeTimeoutMs?: number;
}

/** What a bridge is given to work with. */
export interface HttpBridgeParts extends HttpBridgeOptions {
  readonly gateway: Gateway;
  /** The name of the listener, for authentication and logs. */
  readonly listener: string;
  /** Serves only who asks for a host of this machine: a name that leads here by another's will is not one of ours (DNS rebinding). */
  readonly isLoopback?: boolean;
  readonly onError: (error: unknown, context: string) => void;
}

const TARGET_CHARACTERS_MAX = 8 * 1024;

/** On every answer: nothing of it is to be guessed at, kept, framed or run. */
const SECURITY_HEADERS = {
  "cache-control": "no-store",
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
  "cross-origin-resource-policy": "same-origin",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
};

/** The broker over HTTP: requests in, answers out. It listens nowhere itself. */
export class HttpBridge {
  readonly #parts: HttpBridgeParts;
  readonly #callParts: CallParts;
  readonly #cors: Cors;

  constructor(parts: HttpBridgeParts) {
    const {
      bodyBytesMax = 4 * 1024 ** 2,
      requestTimeoutMs = 30_000,
      subscriptionsMax = 1_000,
      heartbeatMs = 15_000,
      writeTimeoutMs = 60_000,
    } = parts;
    this.#parts = parts;
    this.#cors = new Cors(parts.corsOrigins ?? []);
    const streams = new EventStreams({ subscriptionsMax, heartbeatMs, writeTimeoutMs });
    const { gateway, listener } = parts;
    this.#callParts = { gateway, listener, bodyBytesMax, requestTimeoutMs, streams };
  }

  /** Answers one request; never throws. */
  async handle(request: HttpRequest): Promise<Response> {
    let response: Response;
    try {
      response = await this.#route(request);
    } catch (error) {
      response = this.#problem(error, request);
    }
    const headers = { ...SECURITY_HEADERS, ...this.#cors.headers(request.headers) };
    for (const [name, value] of Object.entries(headers)) response.headers.set(name, value);
    if (request.method !== "HEAD") return response;
    await response.body?.cancel();
    return new Response(null, response);
  }

  async #route(request: HttpRequest): Promise<Response> {
    const { method, headers, refusal } = request;
    if (refusal !== undefined) throw refusal;
    assertReadable(request);
    const { host = headers.get("host") ?? "", path, query } = partsOf(request.target);
    if (this.#parts.isLoopback === true) assertHost(host);
    if (method === "OPTIONS" && path === "*") return new Response(null, { status: 204 }); // whether anybody is here
    const found = findRoute(path);
    if (found === undefined) throw new HttpProblem(404, "not-found", { detail: "There is nothing at this path" });
    const methods = methodsOf(found.route);
    if (method === "OPTIONS") {
      return new Response(null, {
        status: 204,
        headers: { allow: methods.join(", "), ...this.#cors.preflight(headers, methods) },
      });
    }
    if (!methods.includes(method)) {
      const detail = `Cannot use this method here: ${methods.join(", ")}`;
      throw new HttpProblem(405, "method-not-allowed", { detail, headers: { allow: methods.join(", ") } });
    }
    this.#cors.assertAllowed(headers);
    return await this.#call(request, found, query);
  }

  async #call(request: HttpRequest, { route, rest }: FoundRoute, query: string): Promise<Response> {
    const handler = route.methods[request.method === "HEAD" ? "GET" : request.method];
    return await handler(new Call(this.#callParts, request, { query: new Query(query), rest }));
  }

  #problem(error: unknown, request: HttpRequest): Response {
    let problem = problemOf(error);
    if (problem === undefined) {
      this.#parts.onError(error, `HTTP ${request.method} from ${request.remoteAddress}`);
      problem = new HttpProblem(500, "internal-error", {
        detail: "Something went wrong; the log says what",
        cause: error,
      });
    }
    const { status, headers } = problem;
    return textAnswer(problemBody(problem), "application/problem+json", { status, headers });
  }
}

/** @throws {HttpProblem} 414, 400 for two hosts (RFC 9112 section 3.2), 501 for a body in a coding that nobody undoes (section 6.1) */
function assertReadable({ target, headers }: HttpRequest): void {
  if (target.length > TARGET_CHARACTERS_MAX) {
    const detail = `Cannot read a target of ${target.length} characters: the maximum is ${TARGET_CHARACTERS_MAX}`;
    throw new HttpProblem(414, "target-too-long", { detail });
  }
  if (headers.get("host")?.includes(",")) {
    throw new HttpProblem(400, "bad-request", { detail: "Cannot serve two hosts: send one Host" });
  }
  if ((headers.get("transfer-encoding") ?? "chunked").toLowerCase() !== "chunked") {
    const detail = "Cannot read the body: the only transfer coding is chunked";
    throw new HttpProblem(501, "unsupported-transfer-coding", { detail, headers: { connection: "close" } });
  }
}

/** A target is a path with a query, or a whole URI (RFC 9112 section 3.2.2), whose host counts then. */
function partsOf(target: string): { host: string | undefined; path: string; query: string } {
  const [, host, local] = /^https?:\/\/([^/?]*)(.*)$/is.exec(target) ?? [undefined, undefined, target];
  const at = local.indexOf("?");
  return at < 0
    ? { host, path: local || "/", query: "" }
    : { host, path: local.slice(0, at) || "/", query: local.slice(at + 1) };
}

/** @throws {HttpProblem} 421 for a host that is not of this machine */
function assertHost(host: string): void {
  if (isThisMachine(URL.parse(`http://${host}`)?.hostname ?? "")) return;
  const detail = "Cannot serve this host: whoever is on this machine asks for localhost or 127.0.0.1";
  throw new HttpProblem(421, "misdirected-request", { detail });
}

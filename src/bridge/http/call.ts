import { Refusal } from "../../core/refusal.ts";
import type { Gateway, Guest, GuestCertificate } from "../gateway.ts";
import { type BodyLimits, readBody, readJson } from "./body.ts";
import { readCredentials } from "./credentials.ts";
import type { EventStreams } from "./event_stream.ts";
import { HttpProblem, unknownGuest } from "./problem.ts";
import type { Query } from "./query.ts";

/** A request as it came: the target is not normalized, since `..` and `//` are part of a topic. */
export interface HttpRequest {
  readonly method: string;
  /** Path and query. */
  readonly target: string;
  readonly headers: Headers;
  readonly body: ReadableStream<Uint8Array> | null;
  /** Aborted when the peer has gone. */
  readonly signal: AbortSignal;
  readonly remoteAddress: string;
  /** What the listener has verified of the peer. */
  readonly certificate?: GuestCertificate;
  /** Why nothing is done for the connection that it came by. */
  readonly refusal?: Error;
}

/** What the calls of one bridge share. */
export interface CallParts {
  readonly gateway: Gateway;
  /** The name of the listener. */
  readonly listener: string;
  readonly bodyBytesMax: number;
  readonly requestTimeoutMs: number;
  readonly streams: EventStreams;
}

/** One request on its way through a route. */
export class Call {
  readonly request: HttpRequest;
  readonly query: Query;
  readonly gateway: Gateway;
  readonly streams: EventStreams;
  /** What stands in the place of `{topic}` or `{queue}`, as it was sent. */
  readonly rest: string;
  readonly #parts: CallParts;

  constructor(parts: CallParts, request: HttpRequest, place: { query: Query; rest: string }) {
    this.#parts = parts;
    this.request = request;
    this.query = place.query;
    this.rest = place.rest;
    this.gateway = parts.gateway;
    this.streams = parts.streams;
  }

  /** Finds out who calls; to be done before anything of the body is read. `clientId` is what the query names.
   * @throws {HttpProblem} 401 when that is not known, and as the broker refuses */
  async admit(): Promise<Guest> {
    const { gateway, listener } = this.#parts;
    const { headers, remoteAddress, certificate } = this.request;
    const inQuery = this.query.take("client_id");
    const credentials = readCredentials(headers);
    const clientId = headers.get("x-client-id") ?? inQuery;
    try {
      return await gateway.admit({ ...credentials, clientId: clientId ?? "", remoteAddress, listener, certificate });
    } catch (error) {
      throw error instanceof Refusal ? unknownGuest(error) : error;
    }
  }

  /** Whether the caller has a name of its own, under which a session can be kept. */
  get isNamed(): boolean {
    return this.request.headers.has("x-client-id") || this.query.has("client_id");
  }

  body(): Promise<Uint8Array> {
    return readBody(this.request, this.#limits);
  }

  json(): Promise<unknown> {
    return readJson(this.request, this.#limits);
  }

  get #limits(): BodyLimits {
    const { bodyBytesMax, requestTimeoutMs } = this.#parts;
    return { bytesMax: bodyBytesMax, timeoutMs: requestTimeoutMs };
  }
}

/** What does what a method of a route is for. */
export type Handler = (call: Call) => Response | Promise<Response>;

/** A document as an answer. */
export function jsonAnswer(document: unknown, init: ResponseInit = {}): Response {
  return textAnswer(JSON.stringify(document), "application/json", init);
}

/** A text whose length is told, so that the answer to HEAD says it as well. */
export function textAnswer(text: string, contentType: string, init: ResponseInit): Response {
  const bytes = new TextEncoder().encode(text);
  const headers = { "content-type": contentType, "content-length": `${bytes.length}` };
  return new Response(bytes, { ...init, headers: { ...headers, ...init.headers as Record<string, string> } });
}

/** @throws {HttpProblem} 404 */
export function notFound(detail: string): HttpProblem {
  return new HttpProblem(404, "not-found", { detail });
}

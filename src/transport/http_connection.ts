import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { ClientCertificate } from "./certificate.ts";
import { HttpExchange, type HttpRequestIn } from "./http_exchange.ts";
import type { OnRefusedPeer } from "./transport.ts";

/** A request, and whose it is. */
export interface PeerRequest extends HttpRequestIn {
  readonly remoteAddress: string;
  /** What was verified of the peer, where it is asked for a certificate. */
  readonly certificate?: ClientCertificate;
  /** Why nothing is done for the connection that it came by. */
  readonly refusal?: Error;
}

/** How the connections of a listener are served. */
export interface HttpConnectionOptions {
  /** A peer that takes nothing of an answer for this long is cut. */
  readonly writeTimeoutMs: number;
  /** Why a connection from this address is to be told no, and then closed; asked once for each. */
  readonly refusalOf?: (remoteAddress: string) => Error | undefined;
  readonly onRequest: (request: PeerRequest) => Promise<Response>;
  readonly onRefusedPeer?: OnRefusedPeer;
  readonly onError: (error: unknown) => void;
}

/** Requests of one connection that are not answered yet, those included that are not looked at before the ones before them are answered.
 * A second costs its sender 30 bytes, and us 4 KB. */
const REQUESTS_MAX = 100;

/** A connection from when it is known whose it is until it closes. Requests that come at once are carried out one after the other: a later
 * one may rely on what an earlier one has done, and what is not looked at takes no place from anybody (RFC 9112 section 9.3.2). */
export class HttpConnection {
  readonly remoteAddress: string;
  /** Known before the first request, where there is one. */
  certificate: ClientCertificate | undefined;
  readonly #socket: Socket;
  readonly #options: HttpConnectionOptions;
  readonly #refusal: Error | undefined;
  #unanswered = 0;
  /** Resolves when all that was asked is answered. */
  #answered: Promise<void> = Promise.resolve();
  #isEnding = false;

  constructor(socket: Socket, remoteAddress: string, options: HttpConnectionOptions) {
    this.#socket = socket;
    this.remoteAddress = remoteAddress;
    this.#options = options;
    this.#refusal = options.refusalOf?.(remoteAddress);
  }

  /** Answers a request when its turn comes. */
  take(request: IncomingMessage, response: ServerResponse): void {
    if (this.#socket.destroyed) return; // the rest of what came at once
    if (this.#unanswered === REQUESTS_MAX) {
      const reason = `${REQUESTS_MAX} requests were sent without waiting for an answer`;
      this.#options.onRefusedPeer?.(this.remoteAddress, { kind: "stranger", reason });
      return this.cut();
    }
    this.#unanswered++;
    this.#answered = this.#answered.then(() => this.#answer(request, response));
  }

  /** Ends when everything that was asked is answered. */
  end(): void {
    this.#isEnding = true;
    if (this.#unanswered === 0) this.cut();
  }

  /** Ends at once. */
  cut(): void {
    this.#socket.destroy();
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (this.#socket.destroyed) return;
    const { onRequest, onError } = this.#options;
    try {
      const exchange = new HttpExchange(request, response, this.#options);
      const { remoteAddress, certificate } = this;
      const refusal = this.#refusal;
      const answer = await onRequest({ ...exchange.request, remoteAddress, certificate, refusal });
      const isLast = refusal !== undefined || (this.#isEnding && this.#unanswered === 1);
      await exchange.respond(answer, { isLast });
    } catch (error) {
      if (!(error instanceof Deno.errors.TimedOut)) onError(error); // else it is the peer's fault
      response.destroy();
    }
    this.#unanswered--;
    if (this.#isEnding && this.#unanswered === 0) request.socket.destroySoon();
  }
}

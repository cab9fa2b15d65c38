/** What bounds a request. */
export interface BoundedFetchOptions {
  /** For everything from the connection to the last byte. */
  readonly timeoutMs: number;
  /** Of an answer. */
  readonly bytesMax: number;
  /** Who signs the certificates of the server, besides those whom the runtime trusts (PEM). */
  readonly authority?: string;
  /** What is asked, as a whole or in the beginning. */
  readonly url: string;
}

/** Nothing usable came back. The message tells what and never what was sent. */
export class FetchError extends Error {
  /** Tells it from other errors. */
  override readonly name = "FetchError";
}

/** Asks servers for JSON, in a bounded time, for a bounded answer, and follows nobody elsewhere. */
export class BoundedFetch implements Disposable {
  readonly #options: BoundedFetchOptions;
  readonly #client: Deno.HttpClient;

  constructor(options: BoundedFetchOptions) {
    this.#options = options;
    const { authority, url } = options;
    this.#client = Deno.createHttpClient({
      caCerts: authority === undefined ? [] : [authority],
      proxy: pastProxies(new URL(url)),
    });
  }

  /** The JSON that comes with status 200.
   * @throws {FetchError} for everything else */
  async json(url: string, init: Pick<RequestInit, "method" | "headers" | "body"> = {}): Promise<unknown> {
    const signal = AbortSignal.timeout(this.#options.timeoutMs);
    try {
      const response = await fetch(url, { ...init, redirect: "manual", signal, client: this.#client });
      if (response.status !== 200) {
        await response.body?.cancel();
        throw new FetchError(`it answers with status ${response.status}`);
      }
      return JSON.parse(
        new TextDecoder("utf-8", { fatal: true }).decode(await readBody(response, this.#options.bytesMax)),
      );
    } catch (cause) {
      if (cause instanceof FetchError) throw cause;
      if (cause instanceof SyntaxError) throw new FetchError("its answer is no JSON"); // whose message would quote it
      const isLate = signal.aborted;
      const why = isLate ? `no answer within ${this.#options.timeoutMs} ms` : whyFailed(cause, url);
      throw new FetchError(why, { cause });
    }
  }

  [Symbol.dispose](): void {
    this.#client.close();
  }
}

/** The whole body of an answer.
 * @throws {FetchError} when it has more than `bytesMax` */
export async function readBody(response: Response, bytesMax: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of response.body ?? []) { // leaving the loop cancels the rest
    length += chunk.length;
    if (length > bytesMax) throw new FetchError(`its answer has more than ${bytesMax} bytes`);
    chunks.push(chunk);
  }
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}

/** What is in clear text is for this machine: a proxy that the environment names is not to read it, which the runtime would let it.
 * Naming the server itself is how to say so. */
export function pastProxies({ protocol, hostname, port }: URL): Deno.Proxy | undefined {
  if (protocol !== "http:") return undefined;
  return { transport: "tcp", hostname: hostname.replace(/^\[|\]$/g, ""), port: Number(port || 80) };
}

/** What went wrong in the first place, without the query of `url`, which may hold a secret: above it stands that fetch failed. */
export function whyFailed(error: unknown, url: string): string {
  if (!(error instanceof Error)) return String(error);
  if (error.cause !== undefined) return whyFailed(error.cause, url);
  const { search } = new URL(url);
  const why = error.message.replace(/^error sending request .*?: client error \(\w+\): /, "");
  return search === "" ? why : why.replaceAll(search, "");
}

/** An address as the log tells it. */
export function withoutQuery(url: string): string {
  const { origin, pathname } = new URL(url);
  return `${origin}${pathname}`;
}

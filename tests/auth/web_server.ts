/** A web server on loopback that answers as a test says. */
export class WebServer implements AsyncDisposable {
  readonly url: string;
  /** What was asked, in order. */
  readonly bodies: string[] = [];
  readonly headers: Headers[] = [];
  /** Answers a request; tests put another one in its place. */
  answer: (body: string, request: Request) => Response | Promise<Response>;
  readonly #server: Deno.HttpServer<Deno.NetAddr>;

  /** With a certificate and its key it speaks TLS. */
  constructor(
    answer: (body: string, request: Request) => Response | Promise<Response>,
    tls: { cert: string; key: string } | undefined = undefined,
  ) {
    this.answer = answer;
    this.#server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {}, ...tls }, async (request) => {
      const body = await request.text();
      this.bodies.push(body);
      this.headers.push(request.headers);
      return await this.answer(body, request);
    });
    this.url = `http${tls === undefined ? "" : "s"}://127.0.0.1:${this.#server.addr.port}`;
  }

  get requests(): number {
    return this.bodies.length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }
}

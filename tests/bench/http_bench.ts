/** Publishing over HTTP by the broker's own listener, and by `Deno.serve` with the same bridge: what docs/decisions/0020 gives up. Each
 * iteration is one request on each of 32 connections, with the client in the same process. */
import { WeirBroker } from "../../mod.ts";

const CONNECTIONS = 32;
const REQUEST = new TextEncoder().encode(
  "POST /topics/bench HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n" + "x".repeat(100),
);

const broker = await WeirBroker.start({ sysIntervalMs: 0 });
const own = await broker.listenHttp({ port: 0 });
const mounted = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, broker.httpHandler());

/** Connections that ask at the same time, again and again. */
class Clients {
  readonly #conns: Promise<Deno.TcpConn>[];

  constructor(port: number) {
    this.#conns = Array.from({ length: CONNECTIONS }, () => Deno.connect({ hostname: "127.0.0.1", port }));
  }

  async ask(): Promise<void> {
    await Promise.all(this.#conns.map(async (connecting) => await answered(await connecting)));
  }
}

async function answered(conn: Deno.TcpConn): Promise<void> {
  const buffer = new Uint8Array(4096);
  await conn.write(REQUEST);
  for (let answer = ""; !answer.endsWith('{"status":"ok"}');) {
    const count = await conn.read(buffer); // headers and body come in one piece, or in two
    if (count === null) throw new Error("The connection has ended");
    answer += new TextDecoder().decode(buffer.subarray(0, count));
  }
}

const clients = new Clients(own.port);
const others = new Clients(mounted.addr.port);

Deno.bench({
  name: "32 requests: Deno.serve",
  group: "publish over HTTP",
  baseline: true,
  async fn() { // a function that is not async is not waited for
    await others.ask();
  },
});

Deno.bench({
  name: "32 requests: node:http",
  group: "publish over HTTP",
  async fn() {
    await clients.ask();
  },
});

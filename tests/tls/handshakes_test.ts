/** TLS handshakes that are under way: counted by address, and none keeps another out. */
import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import { connect, type Socket } from "node:net";
import { connectAsync } from "mqtt";
import { type ConnectionOptions, type ListenTlsOptions, WeirBroker } from "../../mod.ts";
import { Handshakes } from "../../src/transport/handshakes.ts";
import { until } from "../embedding/waiting.ts";
import { requires } from "../support/skip.ts";
import { Certificates } from "./certificates.ts";

class Scene implements AsyncDisposable {
  readonly broker: WeirBroker;
  readonly certificates: Certificates;
  readonly port: number;
  readonly #silent: Socket[] = [];

  private constructor(broker: WeirBroker, certificates: Certificates, port: number) {
    [this.broker, this.certificates, this.port] = [broker, certificates, port];
  }

  static async start(listen: Partial<ListenTlsOptions> = {}, connection: ConnectionOptions = {}): Promise<Scene> {
    const certificates = new Certificates();
    const broker = await WeirBroker.start({ connection, sysIntervalMs: 0 });
    const tls = { certificate: certificates.read("server.crt"), privateKey: certificates.read("server.key") };
    const { port } = await broker.listenTls({ port: 0, tls, ...listen });
    return new Scene(broker, certificates, port);
  }

  /** A connection that says nothing. */
  async open(localAddress = "127.0.0.1"): Promise<Socket> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const socket = connect({ host: "127.0.0.1", port: this.port, localAddress }, resolve);
    socket.on("error", reject); // of no use once it is open
    this.#silent.push(socket);
    await promise;
    return socket;
  }

  connect(scheme: "mqtts" | "wss", port = this.port) {
    const ca = this.certificates.read("ca.crt");
    const path = scheme === "wss" ? "/mqtt" : "";
    return connectAsync(
      `${scheme}://localhost:${port}${path}`,
      { ca, reconnectPeriod: 0, connectTimeout: 20_000 },
      false,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#silent) socket.destroy();
    await this.broker.stop();
    this.certificates[Symbol.dispose]();
  }
}

/** Hands over one connection, byte by byte to the broker; behind the first ten bytes when it may go on. */
function relay(port: number, mayGoOn: Promise<void>) {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const began = Promise.withResolvers<void>();
  const carry = async () => {
    using client = await listener.accept();
    using server = await Deno.connect({ hostname: "127.0.0.1", port });
    const back = server.readable.pipeTo(client.writable).catch(() => {});
    let bytes = 0;
    for await (const chunk of client.readable) {
      for (const byte of chunk) {
        await server.write(Uint8Array.of(byte));
        if (++bytes !== 10) continue;
        began.resolve();
        await mayGoOn;
      }
    }
    await server.closeWrite().catch(() => {});
    await back;
  };
  const done = carry().catch(() => {}).finally(() => listener.close());
  return { port: listener.addr.port, began: began.promise, done };
}

for (const [scheme, listen] of [["mqtts", {}], ["wss", { webSocket: {} }]] as const) {
  Deno.test(requires(["openssl"], {
    name: `${scheme}: a handshake that comes byte by byte outlives two thousand of another address that never begin`,
    async fn() {
      await using scene = await Scene.start(listen);
      const flooded = Promise.withResolvers<void>();
      const { port, began, done } = await relay(scene.port, flooded.promise);
      const slow = scene.connect(scheme, port);
      await began;
      for (let i = 0; i < 20; i++) await Promise.all(Array.from({ length: 100 }, () => scene.open("127.0.0.2")));
      await (await scene.connect(scheme)).endAsync();
      flooded.resolve();
      await (await slow).endAsync();
      await done;
    },
  }));
}

for (const [scheme, listen] of [["mqtts", {}], ["wss", { webSocket: {} }]] as const) {
  Deno.test(requires(["openssl"], {
    name: `${scheme}: a handshake that does not end, or trickles in, is cut off in time and told`,
    async fn() {
      await using scene = await Scene.start(listen, { connectTimeoutMs: 400 });
      const reasons: string[] = [];
      scene.broker.watch((happening) => happening.kind === "connection-refused" && reasons.push(happening.reason));
      const [silent, slow] = [await scene.open(), await scene.open()];
      const hello = [0x16, 3, 1, 1, 0, 1, 0, 0, 0xfc, 3, 3, ...new Array(200).fill(0)];
      const trickling = setInterval(() => slow.write(Uint8Array.of(hello.shift()!)), 20);
      const gone = (socket: Socket) => new Promise((resolve) => socket.once("close", resolve));
      await Promise.all([gone(silent), gone(slow)]).finally(() => clearInterval(trickling));
      assert.deepEqual(reasons, ["the handshake took too long", "the handshake took too long"]);
      await (await scene.connect(scheme)).endAsync();
    },
  }));
}

Deno.test(requires(["openssl"], {
  name: "TLS: handshakes under way count for the connections of their address, each once",
  async fn() {
    await using scene = await Scene.start({}, { connectionsPerAddressMax: 2 });
    const [first] = [await scene.open(), await scene.open()];
    await assert.rejects(scene.connect("mqtts"), "two are under way");
    first.destroy();
    await until(() => scene.connect("mqtts").then((client) => client.endAsync()).then(() => true, () => false), "room");
    await using other = await Scene.start({}, { connectionsPerAddressMax: 2 });
    const clients = [await other.connect("mqtts"), await other.connect("mqtts")];
    await assert.rejects(other.connect("mqtts"), "both are connected");
    for (const client of clients) await client.endAsync();
  },
}));

Deno.test("a connection from a port whose former one is not known to have gone is counted for itself", () => {
  let inside = 0;
  const enter = () => {
    inside++;
    return () => void inside--;
  };
  const handshakes = new Handshakes({ enter, handshakeTimeoutMs: 60_000 });
  const [former, next] = [new FakeSocket(), new FakeSocket()];
  for (const socket of [former, next]) {
    handshakes.meet(socket as unknown as Socket, () => {});
  }
  former.emit("close");
  assert.equal(inside, 1);
  handshakes.end(next as unknown as Socket);
  assert.equal(inside, 0);
});

/** As much of a socket as a handshake looks at. */
class FakeSocket extends EventEmitter {
  readonly remoteAddress = "192.0.2.7";
  readonly remotePort = 1;
  readonly destroyed = false;
}

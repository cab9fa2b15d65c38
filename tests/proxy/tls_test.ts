/** The PROXY protocol before a TLS handshake: the client is where a trusted proxy says, and its certificate is its own. */
import assert from "node:assert/strict";
import { connectAsync } from "mqtt";
import { type ListenTlsOptions, WeirBroker } from "../../mod.ts";
import { happening } from "../embedding/waiting.ts";
import { requires } from "../support/skip.ts";
import { Certificates } from "../tls/certificates.ts";
import { carry } from "./carry.ts";

const LINE = "PROXY TCP4 192.0.2.7 198.51.100.1 40000 8883\r\n";

class Scene implements AsyncDisposable {
  readonly broker: WeirBroker;
  readonly certificates: Certificates;
  readonly port: number;

  private constructor(broker: WeirBroker, certificates: Certificates, port: number) {
    [this.broker, this.certificates, this.port] = [broker, certificates, port];
  }

  static async start(listen: Partial<ListenTlsOptions> = {}, connectionsPerAddressMax = Infinity): Promise<Scene> {
    const certificates = new Certificates();
    const broker = await WeirBroker.start({ connection: { connectionsPerAddressMax }, sysIntervalMs: 0 });
    const tls = {
      certificate: certificates.read("server.crt"),
      privateKey: certificates.read("server.key"),
      clientCertificate: "require" as const,
      clientAuthorities: certificates.read("ca.crt"),
      revocationLists: certificates.read("ca.crl"),
    };
    const proxyProtocol = { trustedAddresses: ["127.0.0.1"] };
    const { port } = await broker.listenTls({ port: 0, tls, proxyProtocol, ...listen });
    return new Scene(broker, certificates, port);
  }

  /** MQTT.js behind a proxy that says `header`, in pieces of `size` bytes together with the handshake. */
  async connect(scheme: "mqtts" | "wss", { header = LINE, size = 10_000, name = "client" } = {}) {
    const ca = this.certificates.read("ca.crt");
    const cert = this.certificates.read(`${name}.crt`);
    const key = this.certificates.read(`${name}.key`);
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const carried = carry(listener, { port: this.port, header: new TextEncoder().encode(header), size });
    const url = `${scheme}://localhost:${listener.addr.port}/mqtt`;
    const options = { ca, cert, key, reconnectPeriod: 0, connectTimeout: 5_000 };
    try {
      const client = await connectAsync(url, options, false);
      return { end: () => client.endAsync().then(() => carried) };
    } catch (error) {
      await carried;
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.broker.stop();
    this.certificates[Symbol.dispose]();
  }
}

for (const [scheme, listen] of [["mqtts", {}], ["wss", { webSocket: {} }]] as const) {
  for (const size of [10_000, 1]) {
    Deno.test(requires(["openssl"], {
      name: `PROXY before TLS, ${scheme}, ${size} bytes at a time: the client's address is told`,
      async fn() {
        await using scene = await Scene.start(listen);
        const connected = happening(scene.broker, "client-connected");
        const client = await scene.connect(scheme, { size });
        assert.equal((await connected).remoteAddress, "192.0.2.7");
        await client.end();
      },
    }));
  }
}

const REFUSED = [
  ["without a header", { header: "" }, "127.0.0.1", /does not begin with a PROXY header/],
  ["with a line that is malformed", { header: "PROXY TCP4 x y 1 2\r\n" }, "127.0.0.1", /malformed/],
  ["with a certificate that is revoked", { name: "revoked" }, "192.0.2.7", /revoked/],
] as const;

for (const [what, wish, address, reason] of REFUSED) {
  Deno.test(requires(["openssl"], {
    name: `PROXY before TLS: who comes ${what} is cut off and told`,
    async fn() {
      await using scene = await Scene.start();
      const refused = happening(scene.broker, "connection-refused");
      await assert.rejects(scene.connect("mqtts", wish));
      const { remoteAddress, reason: told } = await refused;
      assert.equal(remoteAddress, address);
      assert.match(told, reason);
    },
  }));
}

Deno.test(requires(["openssl"], {
  name: "PROXY before TLS: who is no trusted proxy is cut off",
  async fn() {
    await using scene = await Scene.start({ proxyProtocol: { trustedAddresses: ["10.0.0.0/8"] } });
    const refused = happening(scene.broker, "connection-refused");
    await assert.rejects(scene.connect("mqtts"));
    assert.equal((await refused).reason, "Cannot take the connection of a proxy: it is no proxy that is trusted");
  },
}));

Deno.test(requires(["openssl"], {
  name: "PROXY before TLS: connections count for the client's address",
  async fn() {
    await using scene = await Scene.start({}, 1);
    const one = await scene.connect("mqtts");
    await assert.rejects(scene.connect("mqtts"));
    const other = await scene.connect("mqtts", { header: LINE.replace("192.0.2.7", "192.0.2.8") });
    await Promise.all([one.end(), other.end()]);
  },
}));

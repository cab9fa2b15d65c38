/** MQTT over WebSocket over TLS: who is let in is decided by the certificate, as on a TLS listener. */
import assert from "node:assert/strict";
import { connectAsync } from "mqtt";
import { type Credentials, WeirBroker } from "../../mod.ts";
import { happening } from "../embedding/waiting.ts";
import { requires } from "../support/skip.ts";
import { Certificates } from "../tls/certificates.ts";

/** A wss listener that requires client certificates. */
class Scene implements AsyncDisposable {
  readonly broker: WeirBroker;
  readonly certificates: Certificates;
  readonly port: number;
  /** Who was let through to CONNECT. */
  readonly asked: Credentials[];

  private constructor(parts: { broker: WeirBroker; certificates: Certificates; port: number; asked: Credentials[] }) {
    ({ broker: this.broker, certificates: this.certificates, port: this.port, asked: this.asked } = parts);
  }

  static async start(): Promise<Scene> {
    const certificates = new Certificates();
    const asked: Credentials[] = [];
    const authenticator = {
      authenticate(credentials: Credentials) {
        asked.push(credentials);
        return { username: credentials.username, policy: { mayPublish: () => true, maySubscribe: () => true } };
      },
    };
    const broker = await WeirBroker.start({ authenticator, sysIntervalMs: 0 });
    const tls = {
      certificate: certificates.read("server.crt"),
      privateKey: certificates.read("server.key"),
      clientCertificate: "require" as const,
      clientAuthorities: certificates.read("ca.crt"),
      revocationLists: certificates.read("ca.crl"),
    };
    const { port } = await broker.listenTls({ port: 0, webSocket: {}, tls });
    return new Scene({ broker, certificates, port, asked });
  }

  /** MQTT.js over wss, with the certificate `name` when there is one. */
  connect(name: string | undefined, protocolVersion: 4 | 5 = 5) {
    const own = name === undefined ? {} : {
      cert: this.certificates.read(`${name}.crt`),
      key: this.certificates.read(`${name}.key`),
    };
    return connectAsync(`wss://localhost:${this.port}/mqtt`, {
      protocolVersion,
      ca: this.certificates.read("ca.crt"),
      reconnectPeriod: 0,
      connectTimeout: 5_000,
      ...own,
    }, false);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.broker.stop();
    this.certificates[Symbol.dispose]();
  }
}

for (const protocolVersion of [4, 5] as const) {
  Deno.test(requires(["openssl"], {
    name: `wss, version ${protocolVersion}: the client's certificate is told, and large messages come back whole`,
    async fn() {
      await using scene = await Scene.start();
      const client = await scene.connect("client", protocolVersion);
      const { promise, resolve } = Promise.withResolvers<Uint8Array>();
      client.on("message", (_topic, payload) => resolve(payload));
      await client.subscribeAsync("a", { qos: 2 });
      await client.publishAsync("a", new Uint8Array(300_000).fill(7) as never, { qos: 2 });
      assert.deepEqual(new Uint8Array(await promise), new Uint8Array(300_000).fill(7));
      await client.endAsync();
      const [{ certificate, listener, remoteAddress }] = scene.asked;
      assert.deepEqual([certificate?.commonName, listener, remoteAddress], ["device-1", "wss", "127.0.0.1"]);
    },
  }));
}

/** The runtime itself ends these handshakes, and does not always say why. */
const ENDED = /hang up|not valid|certificate/;

/** Why nobody is let in with what, as the log tells it. */
const REFUSED: readonly [string, RegExp, (certificates: Certificates) => string | undefined][] = [
  ["without a certificate", /certificate/, () => undefined],
  ["with a revoked certificate", /revoked/, () => "revoked"],
  ["with an expired certificate", ENDED, (certificates) => {
    certificates.sign("expired", { subject: "/CN=device-1", to: "20210101000000Z" });
    return "expired";
  }],
  ["with a certificate that nobody has signed", ENDED, (certificates) => {
    certificates.selfSign("own");
    return "own";
  }],
];

for (const [what, reason, make] of REFUSED) {
  Deno.test(requires(["openssl"], {
    name: `wss: who comes ${what} is refused, and told of`,
    async fn() {
      await using scene = await Scene.start();
      const name = make(scene.certificates);
      const refused = happening(scene.broker, "connection-refused");
      await assert.rejects(scene.connect(name));
      const { remoteAddress, reason: told } = await refused;
      assert.equal(remoteAddress, "127.0.0.1");
      assert.match(told, reason);
      assert.equal(scene.asked.length, 0, "nobody asked for CONNECT");
    },
  }));
}

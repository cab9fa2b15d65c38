import assert from "node:assert/strict";
import { connect as connectTls, type ConnectionOptions, type TLSSocket } from "node:tls";
import { connectAsync, type IClientOptions } from "mqtt";
import { type Credentials, type Happening, type TlsOptions, WeirBroker } from "../../mod.ts";
import { happening, inTime, until } from "../embedding/waiting.ts";
import { requires } from "../support/skip.ts";
import { Certificates } from "./certificates.ts";

/** A broker with one TLS listener, whose clients all trust the authority of the test. */
class Scene implements AsyncDisposable {
  readonly broker: WeirBroker;
  readonly certificates: Certificates;
  readonly port: number;
  /** Who was let through to CONNECT. */
  readonly asked: Credentials[];

  private constructor(parts: { broker: WeirBroker; certificates: Certificates; port: number; asked: Credentials[] }) {
    ({ broker: this.broker, certificates: this.certificates, port: this.port, asked: this.asked } = parts);
  }

  static async start(wish: (certificates: Certificates) => Partial<TlsOptions> = () => ({})): Promise<Scene> {
    const certificates = new Certificates();
    const asked: Credentials[] = [];
    const authenticator = {
      authenticate(credentials: Credentials) {
        asked.push(credentials);
        return { username: credentials.username, policy: { mayPublish: () => true, maySubscribe: () => true } };
      },
    };
    const broker = await WeirBroker.start({ authenticator, sysIntervalMs: 0 });
    const tls = { ...serverOf(certificates), ...wish(certificates) };
    const { port } = await broker.listenTls({ port: 0, tls });
    return new Scene({ broker, certificates, port, asked });
  }

  /** MQTT.js over TLS; with the certificate `name`, when there is one. */
  async connect(name?: string, options: IClientOptions = {}) {
    const own = name === undefined ? {} : {
      cert: this.certificates.read(`${name}.crt`),
      key: this.certificates.read(`${name}.key`),
    };
    const ca = this.certificates.read("ca.crt");
    return await connectAsync(`mqtts://localhost:${this.port}`, {
      ca,
      reconnectPeriod: 0,
      connectTimeout: 5_000,
      ...own,
      ...options,
    }, false);
  }

  /** A bare TLS connection. */
  open(options: ConnectionOptions = {}): TLSSocket {
    const socket = connectTls({
      port: this.port,
      host: "127.0.0.1",
      servername: "localhost",
      ca: this.certificates.read("ca.crt"),
      ...options,
    });
    socket.on("error", () => {});
    return socket;
  }

  /** Why the next peer is refused. */
  async refusal(): Promise<string> {
    const { reason, remoteAddress, listener } = await happening(this.broker, "connection-refused");
    assert.deepEqual([remoteAddress, listener], ["127.0.0.1", "tls"]);
    return reason;
  }

  /** The certificate `name` gets nobody in; answers why. */
  async assertRefused(name?: string): Promise<string> {
    const refusal = this.refusal();
    await assert.rejects(this.connect(name));
    assert.equal(this.asked.length, 0, "nobody asked for CONNECT");
    return await refusal;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.broker.stop();
    this.certificates[Symbol.dispose]();
  }
}

function serverOf(certificates: Certificates): TlsOptions {
  return { certificate: certificates.read("server.crt"), privateKey: certificates.read("server.key") };
}

const withClients = (certificates: Certificates): Partial<TlsOptions> => {
  return { clientCertificate: "require", clientAuthorities: certificates.read("ca.crt") };
};

function test(name: string, fn: () => Promise<void>): void {
  Deno.test(requires(["openssl"], { name, fn }));
}

for (const protocolVersion of [4, 5] as const) {
  test(`MQTT ${protocolVersion === 5 ? "5" : "3.1.1"} over TLS: large messages both ways, every QoS, in order`, async () => {
    await using scene = await Scene.start();
    const client = await scene.connect(undefined, { protocolVersion });
    const received: Uint8Array[] = [];
    client.on("message", (_, payload) => received.push(payload));
    await client.subscribeAsync("a", { qos: 2 });
    const payloads = [0, 1, 2, 70_000, 300_000, 5].map((size, index) => new Uint8Array(size).fill(index));
    for (const [index, payload] of payloads.entries()) {
      await client.publishAsync("a", payload as never, { qos: (index % 3) as 0 | 1 | 2 });
    }
    await until(() => received.length === payloads.length, "all messages");
    assert.deepEqual(received.map((bytes) => bytes.length), payloads.map((bytes) => bytes.length));
    await client.endAsync();
    assert.equal(scene.asked[0].certificate, undefined);
    assert.equal(scene.asked[0].listener, "tls");
    assert.equal(scene.asked[0].remoteAddress, "127.0.0.1");
  });
}

test("a publisher that nobody keeps up with is slowed by TCP: nothing is lost at QoS 1", async () => {
  await using scene = await Scene.start();
  const [publisher, subscriber] = [await scene.connect(), await scene.connect()];
  let count = 0;
  subscriber.on("message", (_, payload) => assert.equal(Number(payload.toString().trimEnd()), count++));
  await subscriber.subscribeAsync("a", { qos: 1 });
  const all = Array.from({ length: 400 }, (_, n) => publisher.publishAsync("a", `${n}`.padEnd(20_000), { qos: 1 }));
  await inTime(Promise.all(all), "the acknowledgements", 20_000);
  await until(() => count === 400, "all messages");
  await Promise.all([publisher.endAsync(), subscriber.endAsync()]);
});

test("a client certificate is verified and told: CN, alternative names, fingerprint", async () => {
  await using scene = await Scene.start(withClients);
  const client = await scene.connect("client");
  const { certificate } = scene.asked[0];
  assert.equal(certificate?.commonName, "device-1");
  assert.deepEqual(certificate?.alternativeNames, ["DNS:device-1.example.com", "URI:urn:device:1"]);
  assert.match(certificate!.fingerprint, /^[0-9a-f]{64}$/);
  await client.endAsync();
});

test("require: a client without a certificate is refused, in the handshake", async () => {
  await using scene = await Scene.start(withClients);
  assert.match(await scene.assertRefused(), /no certificate/);
});

test("request: a client without a certificate is let in, one with a wrong one is not", async () => {
  await using scene = await Scene.start((made) => ({ ...withClients(made), clientCertificate: "request" }));
  const client = await scene.connect();
  assert.equal(scene.asked.pop()?.certificate, undefined);
  await client.endAsync();
  scene.certificates.selfSign("self");
  assert.match(await scene.assertRefused("self"), /not valid/);
});

test("a certificate of nobody we know, one that has expired and one that is not valid yet are refused", async () => {
  await using scene = await Scene.start(withClients);
  scene.certificates.selfSign("self");
  await scene.assertRefused("self");
  scene.certificates.sign("old", {
    subject: "/CN=old",
    to: "20210101000000Z",
  });
  await scene.assertRefused("old");
  scene.certificates.sign("early", {
    subject: "/CN=early",
    from: "20980101000000Z",
  });
  await scene.assertRefused("early");
});

test("a revoked certificate is refused, others of its authority are not", async () => {
  await using scene = await Scene.start((made) => ({ ...withClients(made), revocationLists: made.read("ca.crl") }));
  assert.match(await scene.assertRefused("revoked"), /revoked/);
  await (await scene.connect("client")).endAsync();
});

test("a revocation list that its authority has not signed does not open the listener", async () => {
  using made = new Certificates();
  using others = new Certificates();
  await using broker = await WeirBroker.start({ sysIntervalMs: 0 });
  const tls = { ...serverOf(made), ...withClients(made), revocationLists: others.read("ca.crl") };
  await assert.rejects(broker.listenTls({ port: 0, tls }), /not signed by an authority/);
});

test("a name that comes twice in a certificate is nobody's", async () => {
  await using scene = await Scene.start(withClients);
  scene.certificates.sign("two", { subject: "/CN=device-1/CN=admin" });
  await (await scene.connect("two")).endAsync();
  assert.equal(scene.asked[0].certificate?.commonName, "");
});

test("alternative names that look like several are one", async () => {
  await using scene = await Scene.start(withClients);
  scene.certificates.sign("odd", { subject: "/CN=odd", alternativeNames: "URI.1=urn:a, DNS:admin" });
  await (await scene.connect("odd")).endAsync();
  assert.deepEqual(scene.asked[0].certificate?.alternativeNames, ["URI:urn:a, DNS:admin"]);
});

test("a key that is not the certificate's does not open the listener, and renews nothing", async () => {
  await using scene = await Scene.start();
  const wrong = { ...serverOf(scene.certificates), privateKey: scene.certificates.read("client.key") };
  await assert.rejects(scene.broker.listenTls({ port: 0, tls: wrong }), /private key is not that of the certificate/);
  await assert.rejects(scene.broker.renewTls("tls", wrong), /private key is not that of the certificate/);
  await assert.rejects(scene.broker.renewTls("other", wrong), { name: "RangeError" });
  const stricter = { ...serverOf(scene.certificates), ...withClients(scene.certificates) };
  await assert.rejects(scene.broker.renewTls("tls", stricter), { name: "RangeError" });
  await (await scene.connect()).endAsync();
});

test("a renewed certificate is shown to the next client, and who is connected stays", async () => {
  await using scene = await Scene.start();
  const before = await scene.connect();
  scene.certificates.sign("new", { subject: "/CN=renewed", alternativeNames: "DNS.1=localhost\nIP.1=127.0.0.1" });
  const { read } = { read: (name: string) => scene.certificates.read(name) };
  await scene.broker.renewTls("tls", { certificate: read("new.crt"), privateKey: read("new.key") });
  const socket = scene.open();
  await new Promise((resolve) => socket.once("secureConnect", resolve));
  assert.equal(socket.getPeerCertificate().subject.CN, "renewed");
  socket.destroy();
  await before.publishAsync("still", "here", { qos: 1 });
  await before.endAsync();
});

test("a renewed authority counts for the next client", async () => {
  await using scene = await Scene.start(withClients);
  using others = new Certificates();
  await scene.broker.renewTls("tls", {
    ...serverOf(scene.certificates),
    clientCertificate: "require",
    clientAuthorities: others.read("ca.crt"),
  });
  await scene.assertRefused("client");
});

test("minVersion 1.3 refuses TLS 1.2, and 1.2 does not take 1.1", async () => {
  await using scene = await Scene.start(() => ({ minVersion: "1.3" }));
  const refusal = scene.refusal();
  scene.open({ maxVersion: "TLSv1.2" });
  assert.match(await refusal, /version|Tls12/i);
  const socket = scene.open();
  await new Promise((resolve) => socket.once("secureConnect", resolve));
  assert.equal(socket.getProtocol(), "TLSv1.3");
  socket.destroy();
});

test("what is no TLS at all is cut off and told", async () => {
  await using scene = await Scene.start();
  for (
    const bytes of [
      "GET / HTTP/1.1\r\n\r\n",
      "\x10\x0c\x00\x04MQTT\x04\x02\x00\x00\x00\x00",
      "\x16\x03\x01\xff\xff\xff\xff",
    ]
  ) {
    const refusal = happening(scene.broker, "connection-refused");
    const connection = await Deno.connect({ hostname: "127.0.0.1", port: scene.port });
    await connection.write(new TextEncoder().encode(bytes));
    await connection.closeWrite();
    const buffer = new Uint8Array(1024);
    while (await connection.read(buffer).catch(() => null) !== null);
    connection.close();
    await refusal.catch(() => {}); // a peer that has gone in the middle of a record leaves nothing to tell
  }
  await (await scene.connect()).endAsync();
});

test("a thousand handshakes that never begin keep nobody out for long, and end with the broker", async () => {
  await using scene = await Scene.start();
  const silent: Deno.TcpConn[] = [];
  for (let i = 0; i < 900; i++) silent.push(await Deno.connect({ hostname: "127.0.0.1", port: scene.port }));
  const startedAt = performance.now();
  await (await scene.connect()).endAsync();
  assert.ok(performance.now() - startedAt < 8_000, "not before the first of them were given up");
  await inTime(scene.broker.stop(), "the stop");
  for (const connection of silent) connection.close();
});

test("a client that goes without a word is a lost connection, will and all", async () => {
  await using scene = await Scene.start();
  const watcher = await scene.connect();
  const will = new Promise<string>((resolve) => watcher.on("message", (topic) => resolve(topic)));
  await watcher.subscribeAsync("will");
  const lost: Happening[] = [];
  scene.broker.watch((happening) => happening.kind === "client-disconnected" && lost.push(happening));
  const client = await scene.connect(undefined, {
    will: { topic: "will", payload: new Uint8Array() as never, qos: 0, retain: false },
  });
  client.stream.destroy();
  assert.equal(await inTime(will, "the will"), "will");
  assert.equal(lost.length, 1);
  await watcher.endAsync();
});

test("stop tells MQTT 5 clients over TLS why (0x8B)", async () => {
  await using scene = await Scene.start();
  const client = await scene.connect(undefined, { protocolVersion: 5 });
  const told = new Promise<number | undefined>((resolve) =>
    client.on("disconnect", ({ reasonCode }) => resolve(reasonCode))
  );
  await Promise.all([scene.broker.stop(), inTime(told, "DISCONNECT").then((code) => assert.equal(code, 0x8b))]);
});

test("eleven hundred connections that never begin their handshake keep nobody out", async () => {
  await using scene = await Scene.start();
  const opening = Array.from({ length: 1_100 }, () => Deno.connect({ hostname: "127.0.0.1", port: scene.port }));
  const half = await Promise.all(opening);
  const client = await scene.connect();
  await client.endAsync();
  for (const connection of half) connection.close();
});

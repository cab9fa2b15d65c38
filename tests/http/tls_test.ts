/** HTTP over TLS: who is let in by certificate, renewal while the listener is open, what does not speak TLS. */
import assert from "node:assert/strict";
import { CertificateSource, IdentityChain, type TlsOptions } from "../../mod.ts";
import { happening, turns, until } from "../embedding/waiting.ts";
import { requires } from "../support/skip.ts";
import { Certificates } from "../tls/certificates.ts";
import { HttpDoor } from "./door.ts";
import { RawHttp, statusOf } from "./raw.ts";

function tlsOf(certificates: Certificates, more: Partial<TlsOptions> = {}): TlsOptions {
  return { certificate: certificates.read("server.crt"), privateKey: certificates.read("server.key"), ...more };
}

/** A GET by a client with the certificate `name`, or with none. */
async function get(certificates: Certificates, url: string, name?: string): Promise<Response> {
  const own = name === undefined
    ? {}
    : { cert: certificates.read(`${name}.crt`), key: certificates.read(`${name}.key`) };
  const client = Deno.createHttpClient({ caCerts: [certificates.read("ca.crt")], ...own });
  try {
    const response = await fetch(url, { client, signal: AbortSignal.timeout(10_000) });
    return new Response(await response.text(), response);
  } finally {
    client.close();
  }
}

function tlsTest(name: string, fn: () => Promise<void>): void {
  Deno.test(requires(["openssl"], { name, fn }));
}

tlsTest("HTTPS serves as HTTP does, and who speaks no TLS gets nothing", async () => {
  using certificates = new Certificates();
  await using door = await HttpDoor.open({ http: { tls: tlsOf(certificates) } });
  const response = await get(certificates, `https://localhost:${door.port}/health`);
  assert.deepEqual([response.status, await response.json()], [200, { status: "healthy" }]);
  const refused = happening(door.broker, "connection-refused");
  assert.equal(statusOf(await RawHttp.exchange(door.port, "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")), 0);
  assert.equal((await refused).remoteAddress, "127.0.0.1");
  await get(certificates, `https://localhost:${door.port}/health`);
});

tlsTest("a client certificate opens the door, and its name is the user's", async () => {
  using certificates = new Certificates();
  const clientAuthorities = certificates.read("ca.crt");
  const revocationLists = certificates.read("ca.crl");
  const tls = tlsOf(certificates, { clientCertificate: "require", clientAuthorities, revocationLists });
  const users: string[] = [];
  const authenticator = new IdentityChain({
    sources: [new CertificateSource("cn")],
    policyOf: ({ username }) => {
      users.push(username ?? "");
      return { mayPublish: () => true, maySubscribe: () => true };
    },
  });
  await using door = await HttpDoor.open({ http: { tls }, authenticator });
  const url = `https://localhost:${door.port}/retained`;
  assert.equal((await get(certificates, url, "client")).status, 200);
  assert.deepEqual(users, ["device-1"]);
  certificates.selfSign("stranger");
  certificates.sign("late", { subject: "/CN=device-1", to: "20210101000000Z" });
  for (const name of [undefined, "revoked", "stranger", "late"]) {
    await assert.rejects(get(certificates, url, name), name ?? "nobody");
  }
  assert.deepEqual(users, ["device-1"]);
});

tlsTest(
  "where a certificate is only asked for, who has none goes on without, and a bad one is still refused",
  async () => {
    using certificates = new Certificates();
    const clientAuthorities = certificates.read("ca.crt");
    const tls = tlsOf(certificates, { clientCertificate: "request", clientAuthorities });
    const authenticator = new IdentityChain({ sources: [new CertificateSource("cn")] });
    await using door = await HttpDoor.open({ http: { tls }, authenticator });
    const url = `https://localhost:${door.port}/retained`;
    assert.equal((await get(certificates, url)).status, 401);
    assert.equal((await get(certificates, url, "client")).status, 200);
    certificates.selfSign("stranger");
    await assert.rejects(get(certificates, url, "stranger"));
  },
);

tlsTest("the certificate is renewed while the listener is open", async () => {
  using former = new Certificates();
  using renewed = new Certificates();
  await using door = await HttpDoor.open({ http: { tls: tlsOf(former) } });
  const url = `https://localhost:${door.port}/health`;
  assert.equal((await get(former, url)).status, 200);
  await door.broker.renewTls("http", tlsOf(renewed));
  assert.equal((await get(renewed, url)).status, 200);
  await assert.rejects(get(former, url));
  await assert.rejects(door.broker.renewTls("http", { ...tlsOf(renewed), minVersion: "1.3" }), RangeError);
  await assert.rejects(door.broker.renewTls("http", { ...tlsOf(renewed), privateKey: former.read("server.key") }));
  assert.equal((await get(renewed, url)).status, 200);
});

tlsTest("connections of TLS are counted and freed as others are", async () => {
  using certificates = new Certificates();
  await using door = await HttpDoor.open({ http: { tls: tlsOf(certificates), connectionsMax: 3 } });
  const url = `https://localhost:${door.port}/health`;
  for (let i = 0; i < 10; i++) {
    await until(() => get(certificates, url).then(({ status }) => status === 200, () => false), "a place");
  }
  const idle: RawHttp[] = [];
  await until(async () => {
    const raw = await RawHttp.open(door.port);
    idle.push(raw);
    return await Promise.race([raw.read().then((answer) => answer === ""), turns(20).then(() => false)]);
  }, "one too many is closed at once");
  assert.ok(idle.length >= 3 && idle.length <= 5, `${idle.length}`); // a client of before may still have had its place
  for (const raw of idle) raw[Symbol.dispose]();
  await until(() => get(certificates, url).then(({ status }) => status === 200, () => false), "a place again");
});

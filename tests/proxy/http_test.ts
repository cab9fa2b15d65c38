/** The PROXY protocol before HTTP and HTTPS: the caller is where a trusted proxy says. */
import assert from "node:assert/strict";
import type { Authenticator, BrokerOptions, ListenHttpOptions } from "../../mod.ts";
import { happening, until } from "../embedding/waiting.ts";
import { HttpDoor } from "../http/door.ts";
import { isWholeAnswer, RawHttp, statusOf } from "../http/raw.ts";
import { requires } from "../support/skip.ts";
import { Certificates } from "../tls/certificates.ts";
import { carry } from "./carry.ts";
import { HEADERS, REFUSED } from "./headers.ts";

const GET = "GET /retained HTTP/1.1\r\nHost: broker.example\r\n\r\n";
const LINE = "PROXY TCP4 192.0.2.7 198.51.100.1 40000 8080\r\n";

/** A door behind a proxy on this machine, and the addresses of its callers. */
async function open(options: BrokerOptions & { http?: ListenHttpOptions } = {}) {
  const callers: string[] = [];
  const authenticator: Authenticator = {
    authenticate({ remoteAddress }) {
      callers.push(remoteAddress);
      return { username: undefined, policy: { mayPublish: () => true, maySubscribe: () => true } };
    },
  };
  const http = { proxyProtocol: { trustedAddresses: ["127.0.0.1"] }, ...options.http };
  const door = await HttpDoor.open({ authenticator, ...options, http });
  return { door, callers, [Symbol.asyncDispose]: () => door[Symbol.asyncDispose]() };
}

/** What is answered to bytes that are sent so many at a time. */
async function exchange(port: number, bytes: Uint8Array, size: number): Promise<string> {
  using raw = await RawHttp.open(port);
  for (let at = 0; at < bytes.length; at += size) await raw.writeBytes(bytes.subarray(at, at + size));
  return await raw.read(isWholeAnswer);
}

for (const [what, [header, address = "127.0.0.1"]] of Object.entries(HEADERS)) {
  Deno.test(`PROXY before HTTP: ${what}, at once and byte by byte`, async () => {
    await using scene = await open();
    const { door, callers } = scene;
    for (const size of [10_000, header.length, 1]) {
      const answer = await exchange(door.port, Uint8Array.from([...header, ...new TextEncoder().encode(GET)]), size);
      assert.equal(statusOf(answer), 200, answer);
    }
    assert.deepEqual(callers, [address, address, address]);
  });
}

for (const [what, bytes] of Object.entries(REFUSED)) {
  Deno.test(`PROXY before HTTP: ${what} is cut off and told`, async () => {
    await using scene = await open();
    const refused = happening(scene.door.broker, "connection-refused");
    assert.equal(await exchange(scene.door.port, bytes, 10_000), "");
    const { reason, remoteAddress } = await refused;
    assert.match(reason, /^Cannot take the connection of a proxy: /);
    assert.equal(remoteAddress, "127.0.0.1");
    assert.deepEqual(scene.callers, []);
  });
}

Deno.test("PROXY before HTTP: who says nothing and no more is gone at once", async () => {
  await using scene = await open({ connection: { connectTimeoutMs: 60_000 } });
  const refused = happening(scene.door.broker, "connection-refused");
  using conn = await Deno.connect({ hostname: "127.0.0.1", port: scene.door.port });
  await conn.closeWrite();
  assert.match((await refused).reason, /: it ended before its PROXY header had come$/);
});

Deno.test("PROXY before HTTP: who is no trusted proxy is cut off, and so is who speaks HTTP at once", async () => {
  await using scene = await open({ http: { proxyProtocol: { trustedAddresses: ["10.0.0.0/8", "::1"] } } });
  assert.equal(await RawHttp.exchange(scene.door.port, LINE + GET), "");
  await using other = await open();
  assert.equal(await RawHttp.exchange(other.door.port, GET), "");
  assert.deepEqual([...scene.callers, ...other.callers], []);
});

Deno.test("PROXY before HTTP: a connection is one client's, for all of its requests", async () => {
  await using scene = await open();
  using raw = await RawHttp.open(scene.door.port);
  await raw.write(LINE);
  for (let i = 0; i < 3; i++) {
    await raw.write(GET);
    assert.equal(statusOf(await raw.read(isWholeAnswer)), 200);
  }
  assert.deepEqual(scene.callers, ["192.0.2.7", "192.0.2.7", "192.0.2.7"]);
  await raw.write(LINE + GET); // a header in the middle is no HTTP
  assert.equal(statusOf(await raw.read()), 400);
});

Deno.test("PROXY before HTTP: connections count for the client's address, and headers have a deadline behind it", async () => {
  await using scene = await open({ connection: { connectionsPerAddressMax: 1, connectTimeoutMs: 600 } });
  using one = await RawHttp.open(scene.door.port);
  await one.write(LINE + GET);
  assert.equal(statusOf(await one.read(isWholeAnswer)), 200);
  assert.equal(await RawHttp.exchange(scene.door.port, LINE + GET), "", "the second from there");
  const other = LINE.replace("192.0.2.7", "192.0.2.8");
  assert.equal(statusOf(await RawHttp.exchange(scene.door.port, other + GET, isWholeAnswer)), 200);
  assert.equal(statusOf(await RawHttp.exchange(scene.door.port, LINE.replace(".7", ".9") + "GET /")), 408);
});

Deno.test("PROXY before HTTP: a header that does not come is not waited for at a stop", async () => {
  await using scene = await open();
  using silent = await RawHttp.open(scene.door.port);
  await silent.write("PROXY ");
  using served = await RawHttp.open(scene.door.port);
  await served.write(LINE + GET);
  await served.read(isWholeAnswer); // so that the silent one has been accepted
  await scene.door.broker.stop();
  assert.equal(await silent.read(), "");
});

Deno.test(requires(["openssl"], {
  name: "PROXY before HTTPS: the header stands before the handshake, and the certificate is the client's own",
  async fn() {
    using certificates = new Certificates();
    const tls = {
      certificate: certificates.read("server.crt"),
      privateKey: certificates.read("server.key"),
      clientCertificate: "require" as const,
      clientAuthorities: certificates.read("ca.crt"),
      revocationLists: certificates.read("ca.crl"),
    };
    await using scene = await open({ http: { tls, proxyProtocol: { trustedAddresses: ["127.0.0.1"] } } });
    const ask = async (name: string, header: string) => {
      const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
      const carried = carry(listener, { port: scene.door.port, header: new TextEncoder().encode(header), size: 100 });
      const [cert, key] = [certificates.read(`${name}.crt`), certificates.read(`${name}.key`)];
      const client = Deno.createHttpClient({ caCerts: [certificates.read("ca.crt")], cert, key });
      const headers = { connection: "close" };
      try {
        const response = await fetch(`https://localhost:${listener.addr.port}/retained`, { client, headers });
        await response.body?.cancel();
        return response.status;
      } finally {
        client.close();
        await carried;
      }
    };
    assert.equal(await ask("client", LINE), 200);
    assert.deepEqual(scene.callers, ["192.0.2.7"]);
    const revoked = happening(scene.door.broker, "connection-refused");
    await assert.rejects(ask("revoked", LINE));
    assert.deepEqual([(await revoked).remoteAddress, /revoked/.test((await revoked).reason)], ["192.0.2.7", true]);
    const without = happening(scene.door.broker, "connection-refused");
    await assert.rejects(ask("client", ""));
    assert.equal((await without).remoteAddress, "127.0.0.1");
    await until(() => ask("client", LINE).then((status) => status === 200), "it goes on");
  },
}));

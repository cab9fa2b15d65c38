import assert from "node:assert/strict";
import {
  type Authenticator,
  CertificateIdentity,
  type CertificateName,
  type Credentials,
  type PeerCertificate,
} from "../../mod.ts";

const policy = { mayPublish: () => false, maySubscribe: () => false };
const nobody: Authenticator = { authenticate: () => ({ refusal: "bad-user-name-or-password", reason: "by password" }) };

function credentials(certificate: PeerCertificate | undefined, username?: string): Credentials {
  const origin = { remoteAddress: "192.0.2.7", listener: "devices", protocolVersion: 5 };
  return { clientId: "c", username, password: undefined, certificate, ...origin };
}

function certificate(commonName: string, ...alternativeNames: string[]): PeerCertificate {
  return { commonName, alternativeNames, fingerprint: "0".repeat(64) };
}

function verdict(name: CertificateName, ...who: Parameters<typeof credentials>) {
  return new CertificateIdentity(name, nobody, { policyOf: () => policy }).authenticate(credentials(...who));
}

const device = certificate("dev", "DNS:a.example", "URI:urn:dev:1", "DNS:b.example", "email:dev@example.com");

for (
  const [name, expected] of [["cn", "dev"], ["dns", "a.example"], ["uri", "urn:dev:1"], [
    "email",
    "dev@example.com",
  ]] as const
) {
  Deno.test(`the ${name} of the certificate is the user`, () => {
    assert.deepEqual(verdict(name, device), { username: expected, policy });
    assert.deepEqual(verdict(name, device, expected), { username: expected, policy }, "the same name may be given");
  });
}

Deno.test("another user name than the certificate's is refused", () => {
  assert.deepEqual(verdict("cn", device, "admin"), {
    refusal: "not-authorized",
    reason: "The user name is not that of the certificate",
  });
  assert.deepEqual(verdict("cn", device, ""), {
    refusal: "not-authorized",
    reason: "The user name is not that of the certificate",
  });
});

Deno.test("a certificate without such a name lets nobody in, whatever the next one would say", () => {
  for (
    const [name, shown] of [["cn", certificate("", "DNS:x")], ["uri", certificate("x", "DNS:x")], [
      "dns",
      certificate("x", "DNS:"),
    ]] as const
  ) {
    assert.deepEqual(verdict(name, shown), { refusal: "not-authorized", reason: "The certificate names no user" });
  }
});

Deno.test("who has shown no certificate is the next one's to judge", () => {
  assert.deepEqual(verdict("cn", undefined, "dev"), { refusal: "bad-user-name-or-password", reason: "by password" });
});

Deno.test("the policy is asked for the client by the certificate's name, and without its password", () => {
  const asked: unknown[] = [];
  const some = new CertificateIdentity("cn", nobody, { policyOf: (client) => (asked.push(client), policy) });
  void some.authenticate({ ...credentials(device), password: new Uint8Array(3) });
  assert.deepEqual(asked, [{
    clientId: "c",
    username: "dev",
    remoteAddress: "192.0.2.7",
    listener: "devices",
    protocolVersion: 5,
  }]);
});

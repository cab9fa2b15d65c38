import assert from "node:assert/strict";
import {
  type CertificateName,
  CertificateSource,
  type Credentials,
  IdentityChain,
  type IdentitySource,
  type PeerCertificate,
} from "../../mod.ts";

const policy = { mayPublish: () => false, maySubscribe: () => false };
const nobody: IdentitySource = {
  name: "next",
  identify: () => ({ refusal: "bad-user-name-or-password", reason: "by password" }),
};

function credentials(certificate: PeerCertificate | undefined, username?: string): Credentials {
  const origin = { remoteAddress: "192.0.2.7", listener: "devices", protocolVersion: 5 };
  return { clientId: "c", username, password: undefined, certificate, ...origin };
}

function certificate(commonName: string, ...alternativeNames: string[]): PeerCertificate {
  return { commonName, alternativeNames, fingerprint: "0".repeat(64) };
}

function verdict(name: CertificateName, ...who: Parameters<typeof credentials>) {
  const sources = [new CertificateSource(name), nobody];
  return new IdentityChain({ sources, policyOf: () => policy }).authenticate(credentials(...who));
}

/** A certificate is looked at once. */
const LASTING = { expiresAt: undefined, holds: undefined };

const device = certificate("dev", "DNS:a.example", "URI:urn:dev:1", "DNS:b.example", "email:dev@example.com");

for (
  const [name, expected] of [["cn", "dev"], ["dns", "a.example"], ["uri", "urn:dev:1"], [
    "email",
    "dev@example.com",
  ]] as const
) {
  Deno.test(`the ${name} of the certificate is the user`, async () => {
    assert.deepEqual(await verdict(name, device), { ...LASTING, username: expected, policy });
    assert.deepEqual(
      await verdict(name, device, expected),
      { ...LASTING, username: expected, policy },
      "the same name may be given",
    );
  });
}

Deno.test("another user name than the certificate's is refused", async () => {
  assert.deepEqual(await verdict("cn", device, "admin"), {
    refusal: "not-authorized",
    reason: "The user name is not that of the certificate",
  });
  assert.deepEqual(await verdict("cn", device, ""), {
    refusal: "not-authorized",
    reason: "The user name is not that of the certificate",
  });
});

Deno.test("a certificate without such a name lets nobody in, whatever the next one would say", async () => {
  for (
    const [name, shown] of [
      ["cn", certificate("", "DNS:x")],
      ["uri", certificate("x", "DNS:x")],
      [
        "dns",
        certificate("x", "DNS:"),
      ],
      ["cn", certificate("dev\0root")],
      ["cn", certificate("dev\nroot")],
      ["cn", certificate("x".repeat(257))],
    ] as const
  ) {
    assert.deepEqual(await verdict(name, shown), {
      refusal: "not-authorized",
      reason: "The certificate names no user",
    });
  }
});

Deno.test("who has shown no certificate is the next one's to judge", async () => {
  assert.deepEqual(await verdict("cn", undefined, "dev"), {
    refusal: "bad-user-name-or-password",
    reason: "by password",
  });
});

Deno.test("the policy is asked for the client by the certificate's name, and without its password", async () => {
  const asked: unknown[] = [];
  const sources = [new CertificateSource("cn")];
  const some = new IdentityChain({ sources, policyOf: (client) => (asked.push(client), policy) });
  await some.authenticate({ ...credentials(device), password: new Uint8Array(3) });
  assert.deepEqual(asked, [{
    clientId: "c",
    username: "dev",
    remoteAddress: "192.0.2.7",
    listener: "devices",
    protocolVersion: 5,
    groups: undefined,
    source: "certificate",
  }]);
});

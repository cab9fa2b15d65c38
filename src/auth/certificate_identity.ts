import {
  ALLOW_ALL,
  type Authenticator,
  type Credentials,
  knownClient,
  type PeerCertificate,
  type PolicyOf,
  type Verdict,
} from "./authenticator.ts";

/** Which name of a certificate is the user's: the CN of the subject, or the first alternative name of a kind. */
export type CertificateName = "cn" | "dns" | "uri" | "email";

const KIND: Readonly<Record<Exclude<CertificateName, "cn">, string>> = { dns: "DNS:", uri: "URI:", email: "email:" };

/** Lets in who has shown a certificate, under the name in it and without a password; everybody else is `next`'s to judge. A user name
 * that the client gives besides must be the same. */
export class CertificateIdentity implements Authenticator {
  readonly #name: CertificateName;
  readonly #next: Authenticator;
  readonly #policyOf: PolicyOf;

  /** Takes the name of kind `name`; who has shown no certificate is judged by `next`. */
  constructor(name: CertificateName, next: Authenticator, options: { policyOf?: PolicyOf } = {}) {
    this.#name = name;
    this.#next = next;
    this.#policyOf = options.policyOf ?? (() => ALLOW_ALL);
  }

  /** Never waits for a client with a certificate. */
  authenticate(credentials: Credentials): Verdict | Promise<Verdict> {
    const { certificate, username: given } = credentials;
    if (certificate === undefined) return this.#next.authenticate(credentials);
    const username = nameIn(certificate, this.#name);
    if (username === undefined) return { refusal: "not-authorized", reason: "The certificate names no user" };
    if (given !== undefined && given !== username) {
      return { refusal: "not-authorized", reason: "The user name is not that of the certificate" };
    }
    return { username, policy: this.#policyOf(knownClient(credentials, username)) };
  }
}

function nameIn(certificate: PeerCertificate, name: CertificateName): string | undefined {
  if (name === "cn") return certificate.commonName || undefined;
  const kind = KIND[name];
  return certificate.alternativeNames.find((each) => each.startsWith(kind))?.slice(kind.length) || undefined;
}

import type { Credentials, PeerCertificate } from "./authenticator.ts";
import type { Denial, Identification, IdentitySource } from "./identity.ts";
import { whyNoUserName } from "./user_list.ts";

/** Which name of a certificate is the user's: the CN of the subject, or the first alternative name of a kind. */
export type CertificateName = "cn" | "dns" | "uri" | "email";

const KIND: Readonly<Record<Exclude<CertificateName, "cn">, string>> = { dns: "DNS:", uri: "URI:", email: "email:" };

/** Knows who has shown a certificate, by the name in it and without a password. A user name that the client gives besides must be the
 * same. */
export class CertificateSource implements IdentitySource {
  /** Tells it from other sources. */
  readonly name = "certificate";
  readonly #kind: CertificateName;

  /** Takes the name of kind `kind`. */
  constructor(kind: CertificateName) {
    this.#kind = kind;
  }

  /** Has no word about who has shown no certificate. */
  identify({ certificate, username: given }: Credentials): Identification | Denial | undefined {
    if (certificate === undefined) return undefined;
    const username = nameIn(certificate, this.#kind);
    if (username === undefined || whyNoUserName(username) !== undefined) {
      return { refusal: "not-authorized", reason: "The certificate names no user" };
    }
    if (given !== undefined && given !== username) {
      return { refusal: "not-authorized", reason: "The user name is not that of the certificate" };
    }
    return { username };
  }
}

function nameIn(certificate: PeerCertificate, name: CertificateName): string | undefined {
  if (name === "cn") return certificate.commonName || undefined;
  const kind = KIND[name];
  return certificate.alternativeNames.find((each) => each.startsWith(kind))?.slice(kind.length) || undefined;
}

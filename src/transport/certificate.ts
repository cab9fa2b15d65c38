import { type AltName, Certificate, CertificateRevocationList } from "pkijs";

/** What a listener tells of a client certificate once it has been verified. */
export interface ClientCertificate {
  /** CN of the subject; empty when it has none. */
  readonly commonName: string;
  /** Subject alternative names with their kind, as `DNS:dev-1.example.com`, `URI:urn:dev:1` or `email:a@example.com`. */
  readonly alternativeNames: readonly string[];
  /** SHA-256 over the certificate: 64 hexadecimal digits in lower case. */
  readonly fingerprint: string;
}

/** Object identifiers (RFC 5280 appendix A). */
const COMMON_NAME = "2.5.4.3";
const SUBJECT_ALTERNATIVE_NAME = "2.5.29.17";
/** Kinds of general names (RFC 5280 section 4.2.1.6) that are text. */
const NAME_KINDS: Readonly<Record<number, string>> = { 1: "email", 2: "DNS", 6: "URI" };

/** Reads a certificate that the TLS stack has accepted.
 * @throws {Error} when it is none */
export async function readCertificate(der: Uint8Array<ArrayBuffer>): Promise<ClientCertificate> {
  const certificate = Certificate.fromBER(der);
  const commonNames = certificate.subject.typesAndValues.filter(({ type }) => type === COMMON_NAME);
  const extension = certificate.extensions?.find(({ extnID }) => extnID === SUBJECT_ALTERNATIVE_NAME);
  const names = (extension?.parsedValue as AltName | undefined)?.altNames ?? [];
  return {
    commonName: commonNames.length === 1 ? commonNames[0].value.valueBlock.value : "", // with two, nobody knows which one counts
    alternativeNames: names.filter(({ type }) => type in NAME_KINDS).map(({ type, value }) =>
      `${NAME_KINDS[type]}:${value}`
    ),
    fingerprint: new Uint8Array(await crypto.subtle.digest("SHA-256", der)).toHex(),
  };
}

/** Certificate revocation lists (RFC 5280 section 5), one or more for each authority. The runtime's TLS stack takes a `crl` and does not
 * look at it: revoked clients got in (Deno 2.9.6). */
export class RevocationLists {
  readonly #lists: readonly CertificateRevocationList[];

  private constructor(lists: readonly CertificateRevocationList[]) {
    this.#lists = lists;
  }

  /** Reads PEM text; every list must be signed by one of `authorities`, which is PEM text too.
   * @throws {Error} saying which list is not */
  static async read(pem: string, authorities: string): Promise<RevocationLists> {
    const issuers = blocksOf(authorities, "CERTIFICATE").map((der) => Certificate.fromBER(der));
    const lists = blocksOf(pem, "X509 CRL").map((der) => CertificateRevocationList.fromBER(der));
    if (lists.length === 0) throw new Error("expected a certificate revocation list in PEM form, found none");
    for (const [index, list] of lists.entries()) {
      const issuer = issuers.find(({ subject }) => subject.isEqual(list.issuer));
      if (issuer !== undefined && await list.verify({ issuerCertificate: issuer })) continue;
      throw new Error(
        `revocation list ${index + 1} of ${lists.length} is not signed by an authority of the same listener`,
      );
    }
    return new RevocationLists(lists);
  }

  /** Why a client with this certificate is not let in, or undefined. As in OpenSSL, an authority without a list, or with one that is
   * out of date, has nobody let in: what was revoked since is not known.
   * @param now milliseconds since 1970 */
  refusal(der: Uint8Array<ArrayBuffer>, now: number): string | undefined {
    const certificate = Certificate.fromBER(der);
    const lists = this.#lists.filter(({ issuer }) => issuer.isEqual(certificate.issuer));
    if (lists.length === 0) return "there is no revocation list of its issuer";
    if (lists.some((list) => list.isCertificateRevoked(certificate))) return "it has been revoked";
    const isCurrent = lists.some(({ nextUpdate }) => nextUpdate === undefined || nextUpdate.value.getTime() > now);
    return isCurrent ? undefined : "the revocation list of its issuer is out of date";
  }
}

function blocksOf(pem: string, label: string): Uint8Array<ArrayBuffer>[] {
  const pattern = new RegExp(`-----BEGIN ${label}-----([A-Za-z0-9+/=\\s]+)-----END ${label}-----`, "g");
  return [...pem.matchAll(pattern)].map(([, body]) => Uint8Array.fromBase64(body.replaceAll(/\s/g, "")));
}

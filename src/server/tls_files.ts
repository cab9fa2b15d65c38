import { getLogger } from "@logtape/logtape";
import { X509Certificate } from "node:crypto";
import type { TlsFiles } from "../config/config.ts";
import { wordsOf } from "../core/text.ts";
import { readCertificatePem, readPrivateKeyPem, type TlsOptions, usable } from "../transport/tls.ts";
import { NamedFileError, readNamedFile } from "./named_file.ts";

/** Reads the files of a TLS listener, and tells in the log when they are not good today.
 * @throws {NamedFileError} naming the key and the file, with what the system said as its cause */
export async function readTls(files: TlsFiles): Promise<TlsOptions> {
  const options = await readFiles(files);
  const why = whyNotValid(options, files);
  if (why !== undefined) getLogger(["weir"]).warn("{why}", { why });
  return options;
}

async function readFiles(files: TlsFiles): Promise<TlsOptions> {
  const { certFile, keyFile, caFile, crlFile, clientAuth, minVersion } = files;
  return {
    certificate: await readNamedFile("cert_file", certFile),
    privateKey: await readNamedFile("key_file", keyFile),
    clientAuthorities: caFile && await readNamedFile("ca_file", caFile),
    revocationLists: crlFile && await readNamedFile("crl_file", crlFile),
    clientCertificate: clientAuth,
    minVersion,
  };
}

/** Reads the files as a start would, for those who only want to know whether it could, and whether clients would go along.
 * @throws {NamedFileError} naming the key and the file */
export async function assertTlsFiles(files: TlsFiles): Promise<void> {
  const { certFile, keyFile, caFile, crlFile } = files;
  const options = await readFiles(files);
  const { certificate, privateKey, clientAuthorities } = options;
  parsed(`cert_file ${certFile}`, () => readCertificatePem(certificate));
  parsed(`key_file ${keyFile}`, () => readPrivateKeyPem(privateKey));
  if (clientAuthorities !== undefined) parsed(`ca_file ${caFile}`, () => readCertificatePem(clientAuthorities));
  try {
    await usable(options);
  } catch (cause) {
    const which = crlFile === undefined ? "" : ` and crl_file ${crlFile}`;
    throw unusable(`cert_file ${certFile}, key_file ${keyFile}${which}`, cause);
  }
  const why = whyNotValid(options, files);
  if (why !== undefined) throw new NamedFileError(why);
}

/** Why what a listener shows or asks for is not good today; undefined when it is, or is no certificate, which others tell. It still can
 * be used: clients decide. */
function whyNotValid({ certificate, clientAuthorities = "" }: TlsOptions, files: TlsFiles): string | undefined {
  return whyNotGood(`cert_file ${files.certFile}`, certificate) ??
    whyNotGood(`ca_file ${files.caFile}`, clientAuthorities);
}

function whyNotGood(what: string, pem: string): string | undefined {
  const now = Date.now();
  for (const [block] of pem.matchAll(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g)) {
    const { subject, validFrom, validTo } = certificateIn(block) ?? {};
    const name = subject?.replaceAll("\n", ", ");
    if (Date.parse(validTo ?? "") <= now) return `Cannot rely on ${what}: ${name} has expired, on ${validTo}`;
    if (Date.parse(validFrom ?? "") > now) return `Cannot rely on ${what}: ${name} is not valid before ${validFrom}`;
  }
}

function certificateIn(pem: string): X509Certificate | undefined {
  try {
    return new X509Certificate(pem);
  } catch {
    return undefined;
  }
}

function parsed(what: string, parse: () => unknown): void {
  try {
    parse();
  } catch (cause) {
    throw unusable(what, cause);
  }
}

function unusable(what: string, cause: unknown): NamedFileError {
  return new NamedFileError(`Cannot use ${what}: ${wordsOf(cause)}`, { cause });
}

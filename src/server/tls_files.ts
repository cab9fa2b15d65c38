import type { TlsFiles } from "../config/config.ts";
import type { TlsOptions } from "../transport/tls.ts";

/** Reads the files of a TLS listener.
 * @throws {Error} naming the key and the file, with what the system said as its cause */
export async function readTls(files: TlsFiles): Promise<TlsOptions> {
  const { certFile, keyFile, caFile, crlFile, clientAuth, minVersion } = files;
  return {
    certificate: await read("cert_file", certFile),
    privateKey: await read("key_file", keyFile),
    clientAuthorities: caFile && await read("ca_file", caFile),
    revocationLists: crlFile && await read("crl_file", crlFile),
    clientCertificate: clientAuth,
    minVersion,
  };
}

async function read(key: string, path: string): Promise<string> {
  try {
    return await Deno.readTextFile(path);
  } catch (cause) {
    if (cause instanceof Deno.errors.NotCapable) throw cause; // the command line says which flag is missing
    throw new Error(`Cannot read ${key} ${path}: ${cause instanceof Error ? cause.message : cause}`, { cause });
  }
}

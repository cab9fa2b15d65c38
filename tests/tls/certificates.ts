/** Certificates as config/make_certs.sh makes them, and some that are wrong in one way each. */
import { findCommand } from "../support/skip.ts";

const SCRIPT = new URL("../../config/make_certs.sh", import.meta.url).pathname;

/** A folder of certificates; `using` removes it. */
export class Certificates implements Disposable {
  readonly path: string = Deno.makeTempDirSync({ prefix: "weir-tls-" });

  /** The authority, the broker's, a client's, a revoked one and the list of the revoked. */
  constructor() {
    run("sh", [SCRIPT, this.path]);
  }

  file(name: string): string {
    return `${this.path}/${name}`;
  }

  read(name: string): string {
    return Deno.readTextFileSync(this.file(name));
  }

  /** A client certificate `name`.crt of the authority, with a subject, names (a line each, `URI.1=urn:a`) and validity of its own. */
  sign(name: string, options: { subject: string; alternativeNames?: string; from?: string; to?: string }): void {
    const { subject, alternativeNames = "DNS.1=x", from = "20200101000000Z", to = "20990101000000Z" } = options;
    const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", this.file(`${name}.key`)];
    openssl(["req", "-new", ...key, "-subj", subject, "-out", this.file("request")]);
    Deno.writeTextFileSync(this.file("index"), "");
    Deno.writeTextFileSync(
      this.file("config"),
      [
        ...["[ca]", "default_ca=own", "[own]", `database=${this.file("index")}`, `new_certs_dir=${this.path}`],
        ...["rand_serial=yes", "default_md=sha256", "policy=any", "x509_extensions=extensions"],
        ...["[any]", "commonName=supplied", "[extensions]", "subjectAltName=@names", "[names]", alternativeNames, ""],
      ].join("\n"),
    );
    const authority = ["-cert", this.file("ca.crt"), "-keyfile", this.file("ca.key")];
    const validity = ["-startdate", from, "-enddate", to];
    const files = ["-in", this.file("request"), "-out", this.file(`${name}.crt`)];
    openssl([
      "ca",
      "-batch",
      "-notext",
      "-preserveDN",
      "-config",
      this.file("config"),
      ...authority,
      ...validity,
      ...files,
    ]);
  }

  /** A certificate that nobody but itself has signed. */
  selfSign(name: string): void {
    const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", this.file(`${name}.key`)];
    openssl(["req", "-x509", ...key, "-subj", "/CN=device-1", "-days", "30", "-out", this.file(`${name}.crt`)]);
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.path, { recursive: true });
  }
}

function openssl(args: readonly string[]): void {
  run(findCommand("openssl")!, args);
}

function run(command: string, args: readonly string[]): void {
  const { success, stderr } = new Deno.Command(command, { args: [...args], stdout: "null", stderr: "piped" })
    .outputSync();
  if (!success) throw new Error(`${command} ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
}

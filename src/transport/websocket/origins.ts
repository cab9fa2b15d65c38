/** Which pages may open a WebSocket (RFC 6455 section 10.2): browsers name the page's origin, and send along what the user is logged in
 * with. Other clients send no `Origin`, and could send any. */
export class Origins {
  readonly #patterns: readonly OriginPattern[];

  /** Origins that are allowed; without one, those whose host is that of the broker's own address in the request.
   * @throws {RangeError} for one that is not `https://example.com:8443`, `example.com`, `example.com:8443`, `*.example.com` or `*` */
  constructor(allowed: readonly string[]) {
    this.#patterns = allowed.map(parseOriginPattern);
  }

  /** Whether a page of `origin` may connect to `host`, both as the request says. */
  allows(origin: string, host: string): boolean {
    const page = originUrl(origin);
    if (this.#patterns.length > 0) return this.#patterns.some((pattern) => matches(pattern, page));
    return page !== undefined && page.hostname === URL.parse(`http://${host}`)?.hostname;
  }
}

/** What one entry of the list says. */
export interface OriginPattern {
  /** Every origin, `null` too. */
  readonly isAny: boolean;
  /** `https:`; undefined for any. */
  readonly scheme: string | undefined;
  readonly hostname: string;
  /** `hostname` and everything below it. */
  readonly isWildcard: boolean;
  /** Undefined for any; the scheme's own when there is a scheme. */
  readonly port: string | undefined;
}

const PATTERN = /^(?:(https?):\/\/)?(\*\.)?([A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\])(?::(\d{1,5}))?$/;

/** @throws {RangeError} when it is none */
export function parseOriginPattern(text: string): OriginPattern {
  if (text === "*") return { isAny: true, scheme: undefined, hostname: "", isWildcard: false, port: undefined };
  const [, scheme, wildcard, host, port] = PATTERN.exec(text) ?? [];
  const url = host === undefined ? null : URL.parse(`${scheme ?? "http"}://${host}`);
  if (url === null || Number(port ?? 0) > 65_535) {
    throw new RangeError(
      `Cannot allow the origin ${
        JSON.stringify(text)
      }: expected https://example.com, example.com:8080, *.example.com or *`,
    );
  }
  return {
    isAny: false,
    scheme: scheme && `${scheme}:`,
    hostname: url.hostname,
    isWildcard: wildcard !== undefined,
    port: port ?? (scheme && portOf(url)),
  };
}

function matches(pattern: OriginPattern, page: URL | undefined): boolean {
  if (pattern.isAny) return true;
  if (page === undefined) return false;
  const { scheme, hostname, isWildcard, port } = pattern;
  if (scheme !== undefined && scheme !== page.protocol) return false;
  if (port !== undefined && port !== portOf(page)) return false;
  return page.hostname === hostname || (isWildcard && page.hostname.endsWith(`.${hostname}`));
}

/** Undefined for `null`, for what is no origin, and for one with more to it than scheme, host and port. */
function originUrl(origin: string): URL | undefined {
  const url = URL.parse(origin);
  return url !== null && /^https?:$/.test(url.protocol) && /^https?:\/\/[^/?#@\\]+$/i.test(origin) ? url : undefined;
}

function portOf(url: URL): string {
  return url.port || (url.protocol === "https:" ? "443" : "80");
}

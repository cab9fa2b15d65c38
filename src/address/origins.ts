/** What one entry of a list of origins says. */
interface OriginPattern {
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

/** Origins of pages in browsers (RFC 6454), as an `Origin` header names them. */
export class Origins {
  readonly #patterns: readonly OriginPattern[];

  /** @param patterns `https://example.com:8443`, `example.com`, `example.com:8443`, `*.example.com` (and what is below it) or `*`
   * @throws {RangeError} when one is none */
  constructor(patterns: readonly string[]) {
    this.#patterns = patterns.map((text) => {
      const pattern = parsePattern(text);
      if (pattern !== undefined) return pattern;
      throw new RangeError(
        `Cannot allow the origin ${
          JSON.stringify(text)
        }: expected https://example.com, example.com:8080, *.example.com or *`,
      );
    });
  }

  get isEmpty(): boolean {
    return this.#patterns.length === 0;
  }

  /** Whether every origin is among them. */
  get isAny(): boolean {
    return this.#patterns.some(({ isAny }) => isAny);
  }

  has(origin: string): boolean {
    const page = originUrl(origin);
    return this.#patterns.some((pattern) => matches(pattern, page));
  }
}

/** Whether `text` can stand in a list of origins. */
export function isOriginPattern(text: string): boolean {
  return parsePattern(text) !== undefined;
}

/** Undefined for `null`, for what is no origin, and for one with more to it than scheme, host and port. */
export function originUrl(origin: string): URL | undefined {
  const url = URL.parse(origin);
  return url !== null && /^https?:$/.test(url.protocol) && /^https?:\/\/[^/?#@\\]+$/i.test(origin) ? url : undefined;
}

const PATTERN = /^(?:(https?):\/\/)?(\*\.)?([A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\])(?::(\d{1,5}))?$/;

function parsePattern(text: string): OriginPattern | undefined {
  if (text === "*") return { isAny: true, scheme: undefined, hostname: "", isWildcard: false, port: undefined };
  const [, scheme, wildcard, host, port] = PATTERN.exec(text) ?? [];
  const url = host === undefined ? null : URL.parse(`${scheme ?? "http"}://${host}`);
  if (url === null || Number(port ?? 0) > 65_535) return undefined;
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

function portOf(url: URL): string {
  return url.port || (url.protocol === "https:" ? "443" : "80");
}

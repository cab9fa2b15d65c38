import { createHash } from "node:crypto";
import { Origins, originUrl } from "../../address/origins.ts";
import { isThisMachine } from "../../address/this_machine.ts";

/** What a WebSocket listener asks of its clients. */
export interface WebSocketOptions {
  /** The path of the URL; `/mqtt`. */
  readonly path?: string;
  /** The pages that may connect: `https://example.com`, `example.com:8080`, `*.example.com` (and `example.com` itself), or `*` for all.
   * Without one only pages from the same host, on a listener that only this machine can reach those of this machine, by whatever name.
   * A host without a scheme may have any port, with a scheme it has that scheme's own. */
  readonly allowedOrigins?: readonly string[];
}

/** {@link WebSocketOptions}, ready to be asked. */
export interface UpgradeRules {
  readonly path: string;
  readonly origins: Origins;
  /** Only this machine can reach the listener. */
  readonly isLoopback: boolean;
}

/** @throws {RangeError} when the path or an origin is none */
export function upgradeRules(
  { path = "/mqtt", allowedOrigins = [] }: WebSocketOptions,
  { isLoopback }: Pick<UpgradeRules, "isLoopback">,
): UpgradeRules {
  if (!/^\/[!-~]*$/.test(path) || /[?#]/.test(path)) {
    throw new RangeError(
      `Cannot serve WebSocket at ${JSON.stringify(path)}: a path begins with / and has neither ? nor #`,
    );
  }
  return { path, origins: new Origins(allowedOrigins), isLoopback };
}

/** What a request is answered with. */
export interface UpgradeAnswer {
  /** 101 opens the WebSocket; every other status ends the connection. */
  readonly status: number;
  /** Why not, for the log; empty for 101. */
  readonly reason: string;
  readonly response: Uint8Array<ArrayBuffer>;
}

/** Of an origin in the log. */
const ORIGIN_CHARACTERS_MAX = 100;

/** A request head beyond this is refused (431). */
export const HEAD_BYTES_MAX = 8 * 1024;

const STATUS_TEXT: Readonly<Record<number, string>> = {
  400: "Bad Request",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  408: "Request Timeout",
  426: "Upgrade Required",
  431: "Request Header Fields Too Large",
  505: "HTTP Version Not Supported",
};

/** Told to clients with the status. */
const STATUS_HEADERS: Readonly<Record<number, string>> = {
  405: "Allow: GET\r\n",
  426: "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
};

/** Answers the head of a request, which ends with its empty line (RFC 6455 section 4.2). */
export function answerUpgrade(head: Uint8Array, rules: UpgradeRules): UpgradeAnswer {
  const request = readHead(latin1(head));
  return request instanceof Denial ? refuseUpgrade(request.status, request.reason) : judge(request, rules);
}

/** The answer that refuses with `status`: in `words` of our own, so that nothing of the request comes back. The log may know more. */
export function refuseUpgrade(status: number, words: string, reason: string = words): UpgradeAnswer {
  const body = `${words}\n`;
  const head = `HTTP/1.1 ${status} ${STATUS_TEXT[status]}\r\n${STATUS_HEADERS[status] ?? ""}` +
    `Content-Type: text/plain; charset=utf-8\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n`;
  return { status, reason, response: new TextEncoder().encode(head + body) };
}

/** Why a request is refused. */
class Denial {
  readonly status: number;
  readonly reason: string;

  constructor(status: number, reason: string) {
    this.status = status;
    this.reason = reason;
  }
}

interface RequestHead {
  readonly method: string;
  readonly path: string;
  /** By the name in lower case; every value that was given. */
  readonly headers: ReadonlyMap<string, readonly string[]>;
}

/** Strict: what two readers might understand differently is refused (RFC 9112 sections 2.2, 3 and 5). */
function readHead(text: string): RequestHead | Denial {
  const [first, ...lines] = text.slice(0, -4).split("\r\n");
  const [, method, target, version] = /^([A-Z]{1,16}) ([!-~]+) HTTP\/(\d\.\d)$/.exec(first) ?? [];
  if (target === undefined) return new Denial(400, "This is no HTTP request");
  if (version !== "1.1") return new Denial(505, "Expected HTTP/1.1");
  const headers = new Map<string, string[]>();
  for (const line of lines) {
    const [, name, value] = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([\t -~\x80-\xff]*)$/.exec(line) ?? [];
    if (name === undefined) return new Denial(400, "A header field cannot be read");
    const key = name.toLowerCase();
    headers.set(key, [...headers.get(key) ?? [], value.trimEnd()]);
  }
  const length = headers.get("content-length") ?? ["0"];
  if (headers.has("transfer-encoding") || length.length > 1 || length[0] !== "0") {
    return new Denial(400, "A WebSocket handshake has no body");
  }
  const path = target.replace(/^https?:\/\/[^/?]*/i, "").replace(/\?.*$/, ""); // absolute form: RFC 9112 section 3.2.2
  return { method, path, headers };
}

function judge({ method, path, headers }: RequestHead, rules: UpgradeRules): UpgradeAnswer {
  const only = (name: string) => headers.get(name)?.length === 1 ? headers.get(name)![0] : undefined;
  const host = only("host");
  const key = only("sec-websocket-key");
  const origin = headers.has("origin") ? only("origin") ?? "" : undefined;
  const protocol = chooseProtocol(tokens(headers, "sec-websocket-protocol"));
  if (host === undefined) return refuseUpgrade(400, "Expected one Host");
  if (path !== rules.path) return refuseUpgrade(404, `MQTT over WebSocket is at ${rules.path}`);
  if (method !== "GET") return refuseUpgrade(405, "Expected GET");
  if (!has(headers, "upgrade", "websocket") || !has(headers, "connection", "upgrade")) {
    return refuseUpgrade(426, "MQTT over WebSocket is spoken here; connect with an MQTT client");
  }
  if (only("sec-websocket-version") !== "13") return refuseUpgrade(426, "Expected Sec-WebSocket-Version: 13");
  if (key === undefined || !/^[A-Za-z0-9+/]{21}[AQgw]==$/.test(key)) {
    return refuseUpgrade(400, "Expected one Sec-WebSocket-Key of 16 bytes in base64");
  }
  if (origin !== undefined && !mayConnect(origin, host, rules)) {
    const words = (page: string) => `Pages of ${page} may not connect: it is not among the allowed origins`;
    return refuseUpgrade(403, words("this origin"), words(origin.slice(0, ORIGIN_CHARACTERS_MAX)));
  }
  if (protocol === undefined) {
    return refuseUpgrade(400, "Expected mqtt in Sec-WebSocket-Protocol");
  }
  const response = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
    `Sec-WebSocket-Accept: ${acceptKey(key)}\r\nSec-WebSocket-Protocol: ${protocol}\r\n\r\n`;
  return { status: 101, reason: "", response: new TextEncoder().encode(response) };
}

/** Browsers name the origin of the page (RFC 6455 section 10.2), and send along what its user is logged in with; other clients send none,
 * and could send any. Where no origin is named, pages of the host that the broker is asked under may connect. Behind a listener of this
 * machine the host may be a name that leads here by another's will (DNS rebinding): pages have to be of this machine then. */
function mayConnect(origin: string, host: string, { origins, isLoopback }: UpgradeRules): boolean {
  if (!origins.isEmpty) return origins.has(origin);
  const page = originUrl(origin);
  if (page === undefined) return false;
  return isLoopback ? isThisMachine(page.hostname) : page.hostname === URL.parse(`http://${host}`)?.hostname;
}

/** `mqtt` when it is offered ([MQTT-6.0.0-4]), else the name that MQTT 3.1 clients knew. */
function chooseProtocol(offered: readonly string[]): string | undefined {
  return ["mqtt", "mqttv3.1"].find((name) => offered.includes(name));
}

function has(headers: RequestHead["headers"], name: string, token: string): boolean {
  return tokens(headers, name).some((each) => each.toLowerCase() === token);
}

/** The values of a header that is a list, which may stand in several lines. */
function tokens(headers: RequestHead["headers"], name: string): string[] {
  return (headers.get(name) ?? []).flatMap((value) => value.split(",")).map((token) => token.trim());
}

/** Section 4.2.2, with SHA-1 for its sake only: it keeps no secret. */
function acceptKey(key: string): string {
  return createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
}

function latin1(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}

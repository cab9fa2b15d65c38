import { Refusal, type RefusalCause } from "../../core/refusal.ts";
import { visible } from "../../core/text.ts";
import { QueueFault } from "../queue_gateway.ts";

/** What this door itself refuses, besides what the broker does. */
export type ProblemCause =
  | RefusalCause
  | "bad-request"
  | "not-found"
  | "method-not-allowed"
  | "request-timeout"
  | "body-too-large"
  | "target-too-long"
  | "unsupported-media-type"
  | "unsupported-transfer-coding"
  | "misdirected-request"
  | "origin-not-allowed"
  | "already-there"
  | "not-held"
  | "not-replayed"
  | "no-matching-subscribers"
  | "no-reply"
  | "internal-error";

/** Why a request is not answered as it wished; told as problem details (RFC 9457). */
export class HttpProblem extends Error {
  override readonly name = "HttpProblem";
  readonly status: number;
  /** The last part of the problem's type. */
  readonly problem: ProblemCause;
  readonly headers: Readonly<Record<string, string>>;
  /** Members of the answer besides those of RFC 9457. */
  readonly more: Readonly<Record<string, unknown>>;

  constructor(status: number, problem: ProblemCause, options: HttpProblemOptions) {
    super(options.detail, options);
    this.status = status;
    this.problem = problem;
    this.headers = options.headers ?? {};
    this.more = options.more ?? {};
  }
}

/** The rest of a problem. */
export interface HttpProblemOptions {
  /** For people: the action, the value and the rule. */
  readonly detail: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly more?: Readonly<Record<string, unknown>>;
  readonly cause?: unknown;
}

/** The status of what the broker refuses. A new cause does not compile until it is mapped. */
const STATUS: Record<RefusalCause, number> = {
  "unspecified-error": 500,
  "malformed-packet": 400,
  "protocol-error": 400,
  "implementation-specific-error": 400, // a queue cannot do what the message says
  "unsupported-protocol-version": 400,
  "client-identifier-not-valid": 400,
  "bad-user-name-or-password": 401,
  "not-authorized": 403,
  "server-unavailable": 503,
  "server-busy": 503,
  "banned": 403,
  "server-shutting-down": 503,
  "bad-authentication-method": 401,
  "keep-alive-timeout": 408,
  "session-taken-over": 409,
  "topic-filter-invalid": 400,
  "topic-name-invalid": 400,
  "packet-identifier-in-use": 409,
  "packet-identifier-not-found": 404,
  "receive-maximum-exceeded": 429,
  "topic-alias-invalid": 400,
  "packet-too-large": 413,
  "message-rate-too-high": 429,
  "quota-exceeded": 429,
  "administrative-action": 403,
  "payload-format-invalid": 400,
  "retain-not-supported": 400,
  "qos-not-supported": 400,
  "use-another-server": 503,
  "server-moved": 503,
  "shared-subscriptions-not-supported": 400,
  "connection-rate-exceeded": 429,
  "maximum-connect-time": 408,
  "subscription-identifiers-not-supported": 400,
  "wildcard-subscriptions-not-supported": 400,
};

/** How long who is refused for now should wait, in seconds. */
const RETRY_SECONDS = 1;
const DRAINING_RETRY_SECONDS = 10;

/** What who is not known may do about it. */
export const CHALLENGE = 'Basic realm="weir", charset="UTF-8", Bearer realm="weir"';

/** A problem out of whatever was thrown; undefined for what is our own fault. */
export function problemOf(error: unknown): HttpProblem | undefined {
  if (error instanceof HttpProblem) return error;
  if (error instanceof Refusal) return refused(error);
  if (error instanceof QueueFault) {
    const isMissing = error.kind === "missing";
    const { message: detail } = error;
    return new HttpProblem(isMissing ? 404 : 409, isMissing ? "not-found" : "already-there", { detail, cause: error });
  }
  if (error instanceof TypeError || error instanceof RangeError) {
    return new HttpProblem(400, "bad-request", { detail: error.message, cause: error });
  }
  return undefined;
}

/** The broker does not know who it is. */
export function unknownGuest(refusal: Refusal): HttpProblem {
  const { refusal: cause, message: detail } = refusal;
  const isUnknown = cause === "bad-user-name-or-password" || cause === "not-authorized" ||
    cause === "bad-authentication-method";
  if (!isUnknown) return refused(refusal);
  return new HttpProblem(401, cause, { detail, headers: { "www-authenticate": CHALLENGE }, cause: refusal });
}

function refused(refusal: Refusal): HttpProblem {
  const { refusal: cause, message: detail } = refusal;
  const status = STATUS[cause];
  const headers: Record<string, string> = {};
  if (status === 401) headers["www-authenticate"] = CHALLENGE;
  if (status === 429 || status === 503) {
    const seconds = cause === "server-shutting-down" ? DRAINING_RETRY_SECONDS : RETRY_SECONDS;
    headers["retry-after"] = `${refusal.retrySeconds ?? seconds}`;
  }
  return new HttpProblem(status, cause, { detail, headers, cause: refusal });
}

/** The body of a problem. */
export function problemBody(problem: HttpProblem): string {
  return JSON.stringify({
    type: `urn:weir:problem:${problem.problem}`,
    title: TITLES[problem.status] ?? "Error",
    status: problem.status,
    detail: visible(problem.message, 1_000),
    ...problem.more,
  });
}

const TITLES: Readonly<Record<number, string>> = {
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  408: "Request Timeout",
  409: "Conflict",
  413: "Content Too Large",
  414: "URI Too Long",
  415: "Unsupported Media Type",
  421: "Misdirected Request",
  429: "Too Many Requests",
  500: "Internal Server Error",
  501: "Not Implemented",
  503: "Service Unavailable",
  504: "Gateway Timeout",
};

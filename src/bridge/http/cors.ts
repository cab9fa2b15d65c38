import { Origins } from "../../address/origins.ts";
import { HttpProblem } from "./problem.ts";

/** What pages of other origins may send and see. */
const ALLOWED_HEADERS = "authorization, content-type, last-event-id, x-client-id";
const EXPOSED_HEADERS = "allow, retry-after, www-authenticate, x-outcome, x-session-present";
const PREFLIGHT_SECONDS = "600";

/** Which pages in browsers may use the bridge: those that it serves itself, which are none, and those of the origins that are named. */
export class Cors {
  readonly #origins: Origins;

  /** Credentials that the browser adds by itself are never allowed; an Authorization header that the page sets is. */
  constructor(origins: readonly string[]) {
    this.#origins = new Origins(origins);
  }

  /** The headers of every answer to this request. */
  headers(request: Headers): Record<string, string> {
    if (this.#origins.isEmpty) return {};
    const origin = request.get("origin");
    if (this.#origins.isAny) return allowing("*");
    if (origin === null || !this.#origins.has(origin)) return { vary: "origin" };
    return { ...allowing(origin), vary: "origin" };
  }

  /** What a preflight is answered besides. */
  preflight(request: Headers, methods: readonly string[]): Record<string, string> {
    if (this.#origins.isEmpty || !request.has("access-control-request-method")) return {};
    return {
      "access-control-allow-methods": methods.join(", "),
      "access-control-allow-headers": ALLOWED_HEADERS,
      "access-control-max-age": PREFLIGHT_SECONDS,
    };
  }

  /** A page may send some requests without asking, from wherever it is, to a broker that only this machine can reach among them.
   * @throws {HttpProblem} 403 for what a page of an origin that is not named sends */
  assertAllowed(request: Headers): void {
    const origin = request.get("origin");
    const isOwn = origin !== null && URL.parse(origin)?.host === request.get("host");
    if (origin === null ? request.get("sec-fetch-site") !== "cross-site" : isOwn) return;
    if (this.#origins.isAny || (origin !== null && this.#origins.has(origin))) return;
    const detail = "Cannot serve a page of this origin: it is not among the CORS origins (server.http_cors_origins)";
    throw new HttpProblem(403, "origin-not-allowed", { detail });
  }
}

function allowing(origin: string): Record<string, string> {
  return { "access-control-allow-origin": origin, "access-control-expose-headers": EXPOSED_HEADERS };
}

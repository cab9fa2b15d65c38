import { type Handler, jsonAnswer } from "./call.ts";
import { openApi } from "./openapi.ts";
import { publish, publishBatch, publishBody } from "./publishing.ts";
import { acknowledge, endSession, poll, subscribe } from "./receiving.ts";
import { request } from "./requesting.ts";
import { clearRetained, listRetained, readRetained } from "./retained.ts";

/** What one path is for. `{topic}` at its end stands for one or more characters, slashes included. */
export interface Route {
  readonly path: string;
  readonly methods: Readonly<Record<string, Handler>>;
  /** HEAD is GET without the body; not where GET takes messages. */
  readonly hasHead?: boolean;
}

/** A route with what stands in the place of `{topic}`. */
export interface FoundRoute {
  readonly route: Route;
  readonly rest: string;
}

/** Everything that the bridge serves; `openapi.ts` describes the same. */
export const ROUTES: readonly Route[] = [
  { path: "/publish", methods: { POST: publish } },
  { path: "/publish/batch", methods: { POST: publishBatch } },
  { path: "/topics/{topic}", methods: { POST: publishBody, PUT: publishBody } },
  { path: "/request/{topic}", methods: { POST: request } },
  { path: "/subscribe", methods: { GET: subscribe } },
  { path: "/poll", methods: { GET: poll } },
  { path: "/ack", methods: { POST: acknowledge } },
  { path: "/session", methods: { DELETE: endSession } },
  { path: "/retained", methods: { GET: listRetained }, hasHead: true },
  { path: "/retained/{topic}", methods: { GET: readRetained, DELETE: clearRetained }, hasHead: true },
  {
    path: "/health",
    methods: {
      GET: ({ gateway: { isDraining } }) => {
        return isDraining
          ? jsonAnswer({ status: "draining" }, { status: 503, headers: { "retry-after": "10" } })
          : jsonAnswer({ status: "healthy" });
      },
    },
    hasHead: true,
  },
  { path: "/openapi.json", methods: { GET: () => jsonAnswer(openApi()) }, hasHead: true },
];

/** The route of a path, which is taken as it was sent. */
export function findRoute(path: string): FoundRoute | undefined {
  for (const route of ROUTES) {
    const prefix = route.path.endsWith("{topic}") ? route.path.slice(0, -"{topic}".length) : undefined;
    if (prefix === undefined ? path === route.path : path.startsWith(prefix) && path.length > prefix.length) {
      return { route, rest: prefix === undefined ? "" : path.slice(prefix.length) };
    }
  }
  return undefined;
}

/** The methods of a route, as Allow has them. */
export function methodsOf({ methods, hasHead }: Route): string[] {
  return [...Object.keys(methods), ...hasHead === true ? ["HEAD"] : [], "OPTIONS"];
}

import { type Handler, jsonAnswer } from "./call.ts";
import { openApi } from "./openapi.ts";
import { publish, publishBatch, publishBody } from "./publishing.ts";
import { acknowledge, endSession, poll, subscribe } from "./receiving.ts";
import { commit, leaveGroup, pull, settle, subscribeQueue } from "./pulling.ts";
import {
  changeQueue,
  createQueue,
  deleteDeadLetters,
  deleteGroup,
  deleteQueue,
  listDeadLetters,
  listQueues,
  purgeQueue,
  replayDeadLetters,
  seekGroup,
  showQueue,
} from "./queues.ts";
import { request } from "./requesting.ts";
import { clearRetained, listRetained, readRetained } from "./retained.ts";

/** What one path is for. `{topic}` at its end stands for one or more characters, slashes included;
 * `{queue}` for one level. */
export interface Route {
  readonly path: string;
  readonly methods: Readonly<Record<string, Handler>>;
  /** HEAD is GET without the body; not where GET takes messages. */
  readonly hasHead?: boolean;
}

/** A route with what stands in the place of `{topic}` or `{queue}`. */
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
  { path: "/queues", methods: { GET: listQueues }, hasHead: true },
  {
    path: "/queues/{queue}",
    methods: { GET: showQueue, PUT: createQueue, PATCH: changeQueue, DELETE: deleteQueue },
    hasHead: true,
  },
  { path: "/queues/{queue}/purge", methods: { POST: purgeQueue } },
  { path: "/queues/{queue}/groups", methods: { DELETE: deleteGroup } },
  { path: "/queues/{queue}/seek", methods: { POST: seekGroup } },
  { path: "/queues/{queue}/dead-letters", methods: { GET: listDeadLetters, DELETE: deleteDeadLetters }, hasHead: true },
  { path: "/queues/{queue}/replay", methods: { POST: replayDeadLetters } },
  { path: "/queues/{queue}/pull", methods: { POST: pull } },
  { path: "/queues/{queue}/subscribe", methods: { GET: subscribeQueue } },
  { path: "/queues/{queue}/leave", methods: { POST: leaveGroup } },
  { path: "/queues/{queue}/commit", methods: { POST: commit } },
  { path: "/queues/{queue}/ack", methods: { POST: settle("ack") } },
  { path: "/queues/{queue}/nack", methods: { POST: settle("nack") } },
  { path: "/queues/{queue}/reject", methods: { POST: settle("reject") } },
  { path: "/queues/{queue}/extend", methods: { POST: settle("extend") } },
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
    const rest = restOf(route.path, path);
    if (rest !== undefined) return { route, rest };
  }
  return undefined;
}

/** What of a path stands in the place of `{topic}` or `{queue}`, empty for nothing; undefined when it is another path. */
function restOf(pattern: string, path: string): string | undefined {
  const at = pattern.indexOf("{");
  if (at < 0) return path === pattern ? "" : undefined;
  const end = pattern.slice(pattern.indexOf("}") + 1);
  if (!path.startsWith(pattern.slice(0, at)) || !path.endsWith(end)) return undefined;
  const rest = path.slice(at, path.length - end.length);
  return rest === "" || (pattern.includes("{queue}") && rest.includes("/")) ? undefined : rest;
}

/** The methods of a route, as Allow has them. */
export function methodsOf({ methods, hasHead }: Route): string[] {
  return [...Object.keys(methods), ...hasHead === true ? ["HEAD"] : [], "OPTIONS"];
}

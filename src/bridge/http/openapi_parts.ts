/** What the descriptions of routes are made of. */
import type { SCHEMAS } from "./openapi_schemas.ts";

export type Json = Readonly<Record<string, unknown>>;

export function ref(name: keyof typeof SCHEMAS): Json {
  return { $ref: `#/components/schemas/${name}` };
}

export function query(name: string, schema: Json, description: string): Json {
  return { name, in: "query", schema, description };
}

export const ENCODING = query(
  "encoding",
  ref("Encoding"),
  "How payloads stand in the answer; what is not UTF-8 is in base64.",
);
const CLIENT_ID = query("client_id", { type: "string" }, "The client id, where the header X-Client-Id cannot be sent.");
const CLIENT_HEADER = {
  name: "X-Client-Id",
  in: "header",
  schema: { type: "string" },
  description: "The client id; made up when absent. Wanted wherever a session is kept.",
};
export const WHO = [CLIENT_HEADER, CLIENT_ID];

export function json(description: string, schema: Json, more: Json = {}): Json {
  return { description, content: { "application/json": { schema } }, ...more };
}

/** What may go wrong everywhere, and what else. */
export function problems(...more: number[]): Json {
  const statuses = [400, 401, 403, 421, 429, 500, 503, ...more].toSorted((a, b) => a - b);
  const answer = {
    description: "Problem details (RFC 9457)",
    content: { "application/problem+json": { schema: ref("Problem") } },
  };
  return Object.fromEntries(statuses.map((status) => [status, answer]));
}

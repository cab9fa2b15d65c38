/** /openapi.json says what is served: every route, every parameter, every document that is answered. */
import assert from "node:assert/strict";
import { methodsOf, ROUTES } from "../../src/bridge/http/routes.ts";
import { HttpDoor } from "./door.ts";

// deno-lint-ignore no-explicit-any -- a document of any shape, looked at step by step
type Json = any;

/** What of JSON Schema the document uses; anything else in it is an error of the test. */
const KNOWN = new Set([
  ...["$ref", "type", "enum", "default", "description", "properties", "required", "additionalProperties", "items"],
  ...["minimum", "maximum", "minItems", "maxItems", "pattern", "contentEncoding", "format"],
]);

/** Why `value` is not what `schema` says; empty when it is. */
function faults(document: Json, schema: Json, value: Json, at = "$"): string[] {
  if (schema.$ref !== undefined) return faults(document, resolved(document, schema.$ref), value, at);
  for (const key of Object.keys(schema)) assert.ok(KNOWN.has(key), `the test does not know ${key}`);
  const type = Array.isArray(value) ? "array" : Number.isInteger(value) ? "integer" : typeof value;
  const isType = schema.type === type || (schema.type === "number" && type === "integer");
  if (schema.type !== undefined && !isType) return [`${at} is ${type}, not ${schema.type}`];
  if (schema.enum !== undefined && !schema.enum.includes(value)) return [`${at} is ${JSON.stringify(value)}`];
  if (schema.pattern !== undefined && !new RegExp(schema.pattern).test(value)) return [`${at} is ${value}`];
  if (schema.minimum > value || schema.maximum < value) return [`${at} is ${value}`];
  if (type === "array") return itemFaults(document, schema, value, at);
  return type === "object" ? memberFaults(document, schema, value, at) : [];
}

function itemFaults(document: Json, schema: Json, value: Json[], at: string): string[] {
  if (schema.minItems > value.length || schema.maxItems < value.length) return [`${at} has ${value.length} items`];
  return value.flatMap((item, index) => faults(document, schema.items, item, `${at}[${index}]`));
}

function memberFaults(document: Json, schema: Json, value: Json, at: string): string[] {
  const missing = (schema.required ?? []).filter((name: string) => value[name] === undefined);
  const found = Object.entries(value).flatMap(([name, member]) => {
    const own = schema.properties?.[name];
    if (own === undefined) return schema.additionalProperties === false ? [`${at}.${name} is not described`] : [];
    return faults(document, own, member, `${at}.${name}`);
  });
  return [...missing.map((name: string) => `${at}.${name} is missing`), ...found];
}

function resolved(document: Json, ref: string): Json {
  return ref.slice(2).split("/").reduce((at, part) => at[part], document);
}

Deno.test("every route is in the document, with its methods and status codes, and nothing else is", async () => {
  await using door = await HttpDoor.open();
  const { paths } = await door.call("/openapi.json");
  assert.deepEqual(Object.keys(paths).toSorted(), ROUTES.map(({ path }) => path).toSorted());
  const ids = new Set<string>();
  for (const route of ROUTES) {
    const described = Object.keys(paths[route.path]).map((method) => method.toUpperCase());
    const served = methodsOf(route).filter((method) => method !== "HEAD" && method !== "OPTIONS");
    assert.deepEqual(described.toSorted(), served.toSorted(), route.path);
    for (const operation of Object.values<Json>(paths[route.path])) ids.add(operation.operationId);
  }
  assert.equal(ids.size, ROUTES.flatMap(({ methods }) => Object.keys(methods)).length, "every operation has a name");
});

Deno.test("every reference in the document leads somewhere", async () => {
  await using door = await HttpDoor.open();
  const document = await door.call("/openapi.json");
  const refs = [...JSON.stringify(document).matchAll(/"\$ref":"([^"]+)"/g)].map(([, ref]) => ref);
  assert.ok(refs.length > 20);
  for (const ref of refs) assert.ok(resolved(document, ref) !== undefined, ref);
  for (const name of Object.keys(document.components.schemas)) {
    assert.ok(refs.includes(`#/components/schemas/${name}`), `${name} is used`);
  }
});

Deno.test("every parameter that is described is taken, and in the sense that is described", async () => {
  await using door = await HttpDoor.open();
  const { paths } = await door.call("/openapi.json");
  const sample: Record<string, string> = { integer: "1", string: "x", boolean: "true" };
  const own: Record<string, string> = {
    encoding: "text",
    retained: "new",
    user_property: "a=b",
    correlation_data: "AAAA",
    filter: "f",
    start_at: "first",
    message_id: "q/$dlq:0:0",
  };
  let count = 0;
  for (const [path, methods] of Object.entries<Json>(paths)) {
    for (const [method, operation] of Object.entries<Json>(methods)) {
      for (const parameter of operation.parameters ?? []) {
        if (parameter.in !== "query") continue;
        count++;
        const value = own[parameter.name] ?? sample[parameter.schema.type];
        const more = path === "/request/{topic}"
          ? "&timeout=1"
          : path === "/poll" || path.endsWith("/pull")
          ? "&wait=0"
          : "";
        const needed = (path === "/subscribe" || path === "/poll") && parameter.name !== "filter" ? "&filter=f" : "";
        const rest = `${needed}${parameter.name === "timeout" || parameter.name === "wait" ? "" : more}`;
        const response = await door.fetch(
          `${path.replace("{topic}", "t").replace("{queue}", "q")}?${parameter.name}=${value}${rest}`,
          {
            method: method.toUpperCase(),
            headers: {
              "x-client-id": "c",
              ...path.startsWith("/publish") || path === "/ack" ? { "content-type": "application/json" } : {},
            },
            body: operation.requestBody === undefined ? undefined : "x",
            signal: AbortSignal.timeout(5_000),
          },
        );
        const text = response.headers.get("content-type") === "text/event-stream" ? "" : await response.text();
        await response.body?.cancel().catch(() => {});
        assert.doesNotMatch(
          text,
          new RegExp(`"detail":"Cannot use[^"]*${parameter.name}`),
          `${method} ${path} ${parameter.name}`,
        );
      }
    }
  }
  assert.ok(count > 50);
});

Deno.test("every document that is answered is as described, and described for its status", async () => {
  await using door = await HttpDoor.open({ http: { bodyBytesMax: 2_000 } });
  const document = await door.call("/openapi.json");
  const named = { "x-client-id": "c" };
  const json = (body: Json) => ({
    method: "POST",
    headers: { ...named, "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  const full = {
    topic: "t/f",
    payload: "x",
    encoding: "text",
    qos: 1,
    retain: true,
    expiry_seconds: 9,
    content_type: "c",
    response_topic: "r",
    correlation_data: "AA==",
    user_properties: [["a", "b"]],
    payload_is_utf8: true,
  };
  const calls: [string, string, RequestInit, number][] = [
    ["/publish", "/publish", json(full), 200],
    ["/publish", "/publish", json({ topic: "#" }), 400],
    ["/publish", "/publish", { ...json({}), headers: named }, 415],
    ["/publish", "/publish", json({ topic: "x".repeat(3_000) }), 413],
    ["/publish/batch", "/publish/batch", json([full, { topic: "n" }]), 200],
    ["/publish/batch", "/publish/batch", json([full, { topic: "+" }]), 400],
    ["/topics/{topic}", "/topics/t?retain", { method: "PUT", body: "x" }, 200],
    ["/topics/{topic}", "/topics/$SYS/x", { method: "POST", body: "x" }, 403],
    ["/topics/{topic}", `/topics/${"x".repeat(9_000)}`, { method: "POST", body: "x" }, 414],
    ["/request/{topic}", "/request/nobody", { method: "POST", body: "x" }, 503],
    ["/retained", "/retained?limit=1", {}, 200],
    ["/retained", "/retained?filter=", {}, 400],
    ["/retained/{topic}", "/retained/t/f", {}, 200],
    ["/retained/{topic}", "/retained/none", {}, 404],
    ["/retained/{topic}", "/retained/t", { method: "DELETE" }, 204],
    ["/poll", "/poll?filter=t/%23&qos=1&wait=0&session_expiry_seconds=60", { headers: named }, 200],
    ["/poll", "/poll?wait=0&session_expiry_seconds=60", { headers: named }, 200],
    ["/subscribe", "/subscribe", {}, 400],
    ["/ack", "/ack", json({ through: 0 }), 200],
    ["/session", "/session", { method: "DELETE", headers: named }, 204],
    ["/session", "/session", { method: "DELETE", headers: named }, 404],
    ...queueCalls(json),
    ["/health", "/health", {}, 200],
    ["/openapi.json", "/openapi.json", {}, 200],
  ];
  for (const [path, target, init, status] of calls) {
    const response = await door.fetch(target, init as Json);
    const text = await response.text();
    assert.equal(response.status, status, `${target}: ${text}`);
    const described = document.paths[path][(init.method ?? "GET").toLowerCase()].responses[status];
    assert.ok(described !== undefined, `${path} ${status} is described`);
    if (status === 204) continue;
    const schema = described.content[response.headers.get("content-type")!].schema;
    assert.deepEqual(faults(document, schema, JSON.parse(text)), [], `${target} ${text}`);
  }
});

/** Each with the status that it has after those before it; the message that all is about is published on the way. */
function queueCalls(json: (body: Json) => RequestInit): [string, string, RequestInit, number][] {
  const post = { ...json({}), body: undefined };
  const first = { group: "g", messages: ["q:0:0"] };
  const publish = json({
    topic: "$queue/q",
    payload: "eA==",
    content_type: "c",
    user_properties: [["partition-key", "k"]],
  });
  const pull = "/queues/q/pull?group=g&wait=5";
  const letters = "/queues/{queue}/dead-letters";
  return [
    [
      "/queues/{queue}",
      "/queues/q",
      { ...json({ partitions: 1, retry: { initial_backoff: "0s" } }), method: "PUT" },
      201,
    ],
    ["/queues/{queue}", "/queues/q", { ...json({}), method: "PUT" }, 409],
    ["/queues/{queue}", "/queues/q", { ...json({ prefetch: 9 }), method: "PATCH" }, 200],
    ["/queues/{queue}", "/queues/none", { ...json({}), method: "PATCH" }, 404],
    ["/publish", "/publish", publish, 200],
    ["/queues/{queue}/pull", pull, post, 200],
    ["/queues/{queue}", "/queues/q", {}, 200],
    ["/queues", "/queues", {}, 200],
    ["/queues/{queue}/extend", "/queues/q/extend", json({ ...first, delay: "1m" }), 200],
    ["/queues/{queue}/nack", "/queues/q/nack", json({ ...first, delay: "0s" }), 200],
    ["/queues/{queue}/pull", pull, post, 200],
    ["/queues/{queue}/reject", "/queues/q/reject", json(first), 200],
    ["/queues/{queue}/reject", "/queues/q/reject", json(first), 409],
    [letters, "/queues/q/dead-letters", {}, 200],
    ["/queues/{queue}/pull", `${pull}&dead_letters`, post, 200],
    ["/queues/{queue}/ack", "/queues/q/ack", json({ group: "g", messages: ["q/$dlq:0:0"] }), 200],
    ["/queues/{queue}/replay", "/queues/q/replay", json({ all: true }), 200],
    ["/queues/{queue}/commit", "/queues/q/commit", json({ group: "g", partition: 0, offset: 9 }), 200],
    ["/queues/{queue}/leave", "/queues/q/leave", json({ group: "other" }), 204],
    ["/queues/{queue}/commit", "/queues/q/commit", json({ group: "other", partition: 0, offset: 9 }), 409],
    [letters, "/queues/q/dead-letters?all=true", { method: "DELETE" }, 200],
    ["/queues/{queue}/seek", "/queues/q/seek", json({ group: "g", to: "last" }), 204],
    ["/queues/{queue}/purge", "/queues/q/purge", post, 200],
    ["/queues/{queue}/groups", "/queues/q/groups?group=g", { method: "DELETE" }, 204],
    ["/queues/{queue}", "/queues/q", { method: "DELETE" }, 204],
    ["/queues/{queue}", "/queues/q", {}, 404],
  ];
}

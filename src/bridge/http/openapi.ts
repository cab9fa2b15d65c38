/** What the bridge serves, as OpenAPI describes it. */
export function openApi(): Record<string, unknown> {
  return { openapi: "3.1.0", info: { title: "Weir over HTTP", version: "1" }, paths: {} };
}

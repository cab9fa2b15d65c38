import assert from "node:assert/strict";
import { VARIABLES } from "../../src/config/environment.ts";
import { loadConfig } from "../../src/config/load.ts";
import { LISTS, SETTINGS } from "../../src/config/schema.ts";
import { complaintsOf, load } from "./support.ts";

function complaints(env: Record<string, string>): string[] {
  return complaintsOf(() => loadConfig({ env }));
}

Deno.test("a variable wins over the file, an option over both", () => {
  const yaml = "log: { level: warn }";
  const env = { WEIR_LOG_LEVEL: "error" };
  const options = [{ place: { variable: "--log-level" }, path: "log.level", text: "debug" }];
  assert.equal(load(yaml).log.level, "warn");
  assert.equal(load(yaml, { env }).log.level, "error");
  assert.equal(load(yaml, { env, options }).log.level, "debug");
});

Deno.test("text that looks like a number stays text where text is wanted", () => {
  assert.equal(loadConfig({ env: { WEIR_BROKER_RESPONSE_INFORMATION: "5" } }).protocol.responseInformation, "5");
});

Deno.test("a wrong value names its variable", () => {
  assert.deepEqual(complaints({ WEIR_SESSION_MAX_SESSIONS: "many" }), [
    'WEIR_SESSION_MAX_SESSIONS: session.max_sessions: expected a whole number from 1 to 1000000000, or unlimited, found the text "many"',
  ]);
  assert.match(
    complaints({ WEIR_SERVER_TCP_ADDR: ":1883" })[0],
    /^WEIR_SERVER_TCP_ADDR: server\.tcp_addr: :1883 can be reached/,
  );
  assert.match(complaints({ WEIR_LOG_LEVEL: "" })[0], /found the text ""$/);
});

Deno.test("a variable that is no key is refused", () => {
  const env = {
    WEIR_LOG_LEVL: "info",
    WEIR_TCP_ADDR: ":1883",
    WEIR_CLUSTER_NODE_ID: "n1",
    WEIR_SERVER_LISTENERS: "[]",
  };
  assert.deepEqual(complaints(env), [
    'WEIR_LOG_LEVL: unknown variable; did you mean "WEIR_LOG_LEVEL"?',
    'WEIR_TCP_ADDR: unknown variable; did you mean "WEIR_SERVER_TCP_ADDR"?',
    "WEIR_CLUSTER_NODE_ID: this version of Weir does not support clustering; remove it",
    "WEIR_SERVER_LISTENERS: server.listeners: a list is written in the file only",
  ]);
});

Deno.test("variables of others, and those that Kubernetes puts beside a service named weir, are left alone", () => {
  const env = {
    PATH: "/bin",
    WEIR_SERVICE_HOST: "10.0.0.1",
    WEIR_PORT: "tcp://10.0.0.1:1883",
    WEIR_PORT_1883_TCP_ADDR: "10.0.0.1",
    WEIR_MQTT_PORT: "tcp://10.0.0.2:1883", // beside one named weir-mqtt
    WEIR_USERNAME: "ann", // of the commands that call a running broker
  };
  assert.deepEqual(loadConfig({ env }), loadConfig());
});

Deno.test("a port that is none of theirs was meant for the broker, and is refused", () => {
  assert.deepEqual(complaints({ WEIR_SERVER_TCP_PORT: "1884", WEIR_HTTP_PORT: "8080" }), [
    'WEIR_SERVER_TCP_PORT: unknown variable; did you mean "WEIR_SERVER_TCP_ADDR"?',
    "WEIR_HTTP_PORT: unknown variable",
  ]);
});

Deno.test("no two keys share a variable", () => {
  const paths = [...Object.keys(SETTINGS), ...Object.keys(LISTS)];
  assert.equal(new Set(paths.map((path) => path.replaceAll(".", "_"))).size, paths.length);
  assert.equal(VARIABLES.length, Object.keys(SETTINGS).length);
});

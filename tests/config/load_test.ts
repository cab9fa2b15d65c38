import assert from "node:assert/strict";
import { ConfigError, formatPlace } from "../../src/config/problem.ts";
import { loadConfig } from "../../src/config/load.ts";
import { SETTINGS } from "../../src/config/schema.ts";
import { DEFAULT_LIMITS } from "../../src/core/limits.ts";
import { complaintsOf, load, problemsOf, SCRAM_USER } from "./support.ts";

const ADDRESS = "host:port such as 127.0.0.1:1883, [::1]:1883, or :1883 for every address";
const EXPOSED = "can be reached from other machines and nobody would have to log in: name a file of users under " +
  "auth.users_file (weir user add NAME makes it), or write auth.allow_anonymous: true if anybody may connect, or stay on this machine with";

Deno.test("without a file every default holds, and the core's limits are the core's own", () => {
  const config = loadConfig();
  assert.deepEqual(config.limits, DEFAULT_LIMITS);
  assert.deepEqual(config.listeners.map(({ name, hostname, port }) => [name, hostname, port]), [[
    "tcp",
    "127.0.0.1",
    1883,
  ]]);
  assert.equal(config.auth.allowAnonymous, true);
  assert.equal(config.connection.connectionsPerAddressMax, Infinity);
});

for (
  const [what, yaml] of [["an empty file", ""], ["comments", "# nothing\n"], [
    "empty sections",
    "server:\nlog:\nauth:\n  scram:\n",
  ]]
) {
  Deno.test(`${what} is every default`, () => {
    assert.deepEqual(load(yaml), { ...loadConfig(), file: "weir.yaml" });
  });
}

const NO_RULES = "there are users and nothing says what they may do: list rules under auth.acl or in auth.acl_file, " +
  "or write auth.acl_default: allow if every user may do everything";

/** What is wrong -> the file and every line of the complaint. */
/** A listener for clients with a certificate. */
const MUTUAL =
  "server: { listeners: [{ name: b, addr: '127.0.0.1:8883', cert_file: c, key_file: k, ca_file: a, client_auth: " +
  "require }] }\n";

const WRONG: Readonly<Record<string, readonly [string, ...string[]]>> = {
  "an unknown section": ["brokr:\n  max_qos: 1\n", 'weir.yaml:1:1: brokr: unknown key; did you mean "broker"?'],
  "an unknown key": [
    "server:\n  tcp_adr: :1883\n",
    'weir.yaml:2:3: server.tcp_adr: unknown key; did you mean "tcp_addr"?',
  ],
  "a key without its section": [
    'tcp_addr: ":1883"\n',
    'weir.yaml:1:1: tcp_addr: unknown key; did you mean "server.tcp_addr"?',
  ],
  "a key in another section": [
    "server:\n  listeners: []\nsession:\n  sys_interval: 1s\n  enabled: true\n",
    'weir.yaml:4:3: session.sys_interval: unknown key; did you mean "broker.sys_interval"?',
    "weir.yaml:5:3: session.enabled: unknown key",
  ],
  "a key like no other": ["log:\n  colour: red\n", "weir.yaml:2:3: log.colour: unknown key"],
  "a wrong unit": [
    "server:\n  connect_timeout: 10sec\n",
    'weir.yaml:2:20: server.connect_timeout: expected a duration from 100ms to 5m, with ms, s, m, h or d, found the text "10sec"',
  ],
  "a duration without a unit": [
    "server:\n  connect_timeout: 10\n",
    "weir.yaml:2:20: server.connect_timeout: expected a duration from 100ms to 5m, with ms, s, m, h or d, found the number 10",
  ],
  "a size in decimal units": [
    "broker:\n  max_message_size: 1MB\n",
    'weir.yaml:2:21: broker.max_message_size: expected a size from 1KiB to 256MiB, in bytes or with KiB, MiB or GiB, found the text "1MB"',
  ],
  "a number out of range": [
    "session:\n  max_sessions: -1\n",
    "weir.yaml:2:17: session.max_sessions: expected a whole number from 1 to 1000000000, or unlimited, found the number -1",
  ],
  "a fraction": [
    "session:\n  receive_maximum: 1.5\n",
    "weir.yaml:2:20: session.receive_maximum: expected a whole number from 1 to 65535, found the number 1.5",
  ],
  "seconds that are not whole": [
    "session:\n  max_expiry_interval: 1500ms\n",
    "weir.yaml:2:24: session.max_expiry_interval: expected whole seconds from 0 to 49710d, plain or with s, m, h or d, or never, " +
    'found the text "1500ms"',
  ],
  "yes for true": [
    "session: { queue_qos0: yes }",
    'weir.yaml:1:24: session.queue_qos0: expected true or false, found the text "yes"',
  ],
  "a word that is none": [
    "session: { offline_queue_policy: drop }",
    'weir.yaml:1:34: session.offline_queue_policy: expected evict or reject, found the text "drop"',
  ],
  "a port alone": [
    "server:\n  tcp_addr: 1883\n",
    `weir.yaml:2:13: server.tcp_addr: expected ${ADDRESS}; "" for none, found the number 1883`,
  ],
  "a port that is none": [
    'server:\n  tcp_addr: ":70000"\n',
    `weir.yaml:2:13: server.tcp_addr: expected ${ADDRESS}; "" for none, found the text ":70000"; a port lies between 0 and 65535`,
  ],
  "a number for text": [
    "broker: { response_information: 5 }",
    "weir.yaml:1:33: broker.response_information: expected text of 0 to 1024 bytes without control characters, found the number 5; " +
    "put it in quotes to make it text",
  ],
  "nothing for a value": [
    "log:\n  level:\n",
    "weir.yaml:2:9: log.level: expected debug, info, warn or error, found nothing",
  ],
  "a map for a value": [
    "log:\n  level: {}\n",
    "weir.yaml:2:10: log.level: expected debug, info, warn or error, found a map",
  ],
  "a value for a section": [
    "log: debug\n",
    'weir.yaml:1:6: log: expected keys such as "level:", found the text "debug"',
  ],
  "a root that is no map": ["- log\n", 'weir.yaml:1:1: expected sections such as "server:" and "log:", found a list'],
  "a value for a list": [
    "server:\n  listeners: five\n",
    'weir.yaml:2:14: server.listeners: expected a list, found the text "five"',
  ],
  "a listener without an address": [
    "server:\n  listeners:\n    - name: second\n",
    `weir.yaml:3:7: server.listeners[0]: expected the key "addr": ${ADDRESS}`,
  ],
  "an unknown key of a listener": [
    'server:\n  listeners:\n    - { name: b, addr: "127.0.0.1:1", protcol: v3 }\n',
    'weir.yaml:3:39: server.listeners[0].protcol: unknown key; did you mean "protocol"?',
  ],
  "a path for a key": ["log.level: debug\n", "weir.yaml:1:1: log.level: unknown key"],
  "a key that is not text": ["1: x\n", "weir.yaml:1:1: a key must be a plain word"],
  "a duplicate key": ["log:\n  level: info\n  level: warn\n", "weir.yaml:3:3: the key is already there: each key once"],
  "a duplicate section": ["log: {}\nlog: {}\n", "weir.yaml:2:1: the key is already there: each key once"],
  "tabs": ["log:\n\tlevel: info\n", "weir.yaml:2:1: indent with spaces, not with tabs"],
  "two documents": [
    "log: {}\n---\nlog: {}\n",
    "weir.yaml:2:1: expected one document, found a second one: remove the line with ---",
  ],
  "a tag": ["log: { level: !secret info }\n", "weir.yaml:1:15: tags (!name) are not used in this configuration"],
  "a bracket too many": [
    "server:\n  tcp_addr: [::1]:1883\n",
    "weir.yaml:2:18: not valid YAML: Unexpected scalar at node end",
  ],
  "an older YAML": [
    "%YAML 1.1\n---\nsession: { queue_qos0: yes }\n",
    "weir.yaml: expected YAML 1.2, found the directive %YAML 1.1",
  ],
  "an address twice": [
    'server:\n  tcp_addr: "127.0.0.1:1883"\n  listeners:\n    - { name: b, addr: "localhost:1883" }\n',
    "weir.yaml:4:24: server.listeners[0].addr: localhost:1883 is taken by server.tcp_addr, 127.0.0.1:1883 (weir.yaml:2:13)",
  ],
  "an address that a wildcard covers": [
    'auth: { allow_anonymous: true }\nserver:\n  tcp_addr: ":1883"\n  listeners:\n    - { name: b, addr: "[::1]:1883" }\n',
    "weir.yaml:5:24: server.listeners[0].addr: [::1]:1883 is taken by server.tcp_addr, :1883 (weir.yaml:3:13)",
  ],
  "an address that the default has": [
    'server:\n  listeners:\n    - { name: b, addr: "127.0.0.1:1883" }\n',
    "weir.yaml:3:24: server.listeners[0].addr: 127.0.0.1:1883 is taken by server.tcp_addr, 127.0.0.1:1883 (default)",
  ],
  "a name twice": [
    'server:\n  listeners:\n    - { name: tcp, addr: "127.0.0.1:1" }\n',
    'weir.yaml:3:15: server.listeners[0].name: "tcp" is taken by server.tcp_addr (default)',
  ],
  "a bound on memory that keeps nothing": [
    "storage:\n  memory_limit: 1GiB\n",
    "weir.yaml:2:17: storage.memory_limit: it needs storage.type: memory beside it",
  ],
  "a bound on memory of no size": [
    "storage: { type: memory, memory_limit: 1kb }",
    "weir.yaml:1:40: storage.memory_limit: expected a size from 1MiB to 1024GiB, in bytes or with KiB, MiB or GiB, or unlimited, " +
    'or auto, found the text "1kb"',
  ],
  "no listener at all": [
    'server: { tcp_addr: "" }',
    "weir.yaml:1:21: server.tcp_addr: nobody could connect: it is switched off and server.listeners has none",
  ],
  "a listener for everybody without a word about it": [
    "server:\n  tcp_addr: :1883\n",
    `weir.yaml:2:13: server.tcp_addr: :1883 ${EXPOSED} 127.0.0.1:1883`,
  ],
  "nobody who may connect": [
    "auth:\n  allow_anonymous: false\n",
    "weir.yaml:2:20: auth.allow_anonymous: nobody could connect: it is false and nothing tells who a client is, " +
    "such as auth.users_file (weir user add NAME makes one)",
  ],
  "a user twice": [
    `auth:\n  scram:\n    users:\n      - ${SCRAM_USER}\n      - ${SCRAM_USER}\n  acl_default: allow\n`,
    'weir.yaml:5:21: auth.scram.users[1].username: "alice" is already there (weir.yaml:4:21)',
  ],
  "users without a word about what they may do": [
    "auth:\n  users_file: data/users\n",
    `weir.yaml:2:15: auth.users_file: ${NO_RULES}`,
  ],
  "users by certificate without a word about what they may do": [
    `${MUTUAL}auth:\n  certificate_username: cn\n`,
    `weir.yaml:3:25: auth.certificate_username: ${NO_RULES}`,
  ],
  "names in certificates that nobody is asked for": [
    "server: { http_client_auth: none }\nauth: { certificate_username: cn, acl_default: deny }\n",
    "weir.yaml:2:31: auth.certificate_username: no listener asks for a certificate: client_auth of server.listeners makes it",
  ],
  "a longest ban that is shorter than the first": [
    "auth: { ban_time: 2h, ban_time_max: 1h }\n",
    "weir.yaml:1:37: auth.ban_time_max: it is shorter than auth.ban_time (weir.yaml:1:19)",
  ],
  "a rule for a listener that there is not": [
    'auth: { acl: [{ permission: deny, filter: "#", listener: wss }, { permission: deny, filter: "#", listener: http }] }',
    'weir.yaml:1:58: auth.acl[0].listener: there is no listener "wss"; did you mean "ws"?',
  ],
  "a user and a password in an address, without repeating them": [
    "auth:\n  jwt:\n    jwks_url: https://me:hunter2@id.example/k\n",
    'weir.yaml:3:15: auth.jwt.jwks_url: expected an address that begins with https://, or with http:// on this machine; "" for ' +
    "none, found another text; it has no user and no password in it",
  ],
  "a query where a path is put behind": [
    "auth:\n  external:\n    url: https://id.example/?tenant=a\n",
    'weir.yaml:3:10: auth.external.url: expected an address that begins with https://, or with http:// on this machine; "" for ' +
    "none, found another text; it has no query: a path is put behind it",
  ],
  "a default longer than the longest": [
    "session:\n  max_expiry_interval: 1d\n  default_expiry_interval: 2d\n",
    "weir.yaml:3:28: session.default_expiry_interval: it is longer than session.max_expiry_interval (weir.yaml:2:24)",
  ],
  "a delay that outlasts the connection": [
    "server: { connect_timeout: 500ms }\nauth: { failed_login_delay: 500ms }\n",
    "weir.yaml:2:29: auth.failed_login_delay: it is not shorter than server.connect_timeout (weir.yaml:1:28)",
  ],
  "a token's claim without a key": [
    "auth:\n  jwt:\n    issuer: x\n",
    "weir.yaml:3:13: auth.jwt.issuer: it needs key_file or jwks_url beside it",
  ],
  "a key for tokens without algorithms": [
    "auth:\n  jwt:\n    key_file: k\n",
    "weir.yaml:3:15: auth.jwt.key_file: it needs algorithms beside it: what tokens are signed by",
  ],
  "secrets beside public keys": [
    "auth:\n  jwt:\n    key_file: k\n    algorithms: HS256, RS256\n",
    "weir.yaml:4:17: auth.jwt.algorithms: secrets and public keys do not go together: who has the public key could sign with it",
  ],
  "a secret from the web": [
    "auth:\n  jwt:\n    jwks_url: https://id.example/k\n    algorithms: HS256\n",
    "weir.yaml:4:17: auth.jwt.algorithms: a secret is not published: jwks_url goes with public keys",
  ],
  "keys from two places": [
    "auth:\n  jwt:\n    jwks_url: https://id.example/k\n    key_file: k\n    algorithms: RS256\n",
    "weir.yaml:3:15: auth.jwt.jwks_url: the keys are in key_file already: one of the two",
  ],
  "a chain without what is configured": [
    'auth: { users_file: u, chain: external, external: { url: "https://id.example" }, acl_default: allow }',
    "weir.yaml:1:31: auth.chain: it leaves out users, though there is auth.users_file and auth.scram.users",
  ],
  "a chain with what is not configured": [
    'auth: { users_file: u, chain: "jwt, users", acl_default: allow }',
    "weir.yaml:1:31: auth.chain: it names jwt, and there is no auth.jwt",
  ],
  "a certificate authority that nobody is asked by": [
    "auth:\n  jwt:\n    key_file: k\n    algorithms: RS256\n    ca_file: c\n",
    "weir.yaml:5:14: auth.jwt.ca_file: it needs jwks_url beside it",
  ],
  "keys of a callout without its address": [
    "auth:\n  external:\n    timeout: 5s\n    transport: grpc\n    url: http://id.example\n",
    "weir.yaml:4:5: auth.external.transport: this version of Weir does not support the authentication callout by gRPC; remove it",
    'weir.yaml:5:10: auth.external.url: expected an address that begins with https://, or with http:// on this machine; "" for ' +
    "none, found another text",
  ],
  "a time for old answers that are not used": [
    "auth:\n  external:\n    url: http://127.0.0.1:1\n    stale_ttl: 5s\n",
    "weir.yaml:4:16: auth.external.stale_ttl: it needs when_down: allow_cached beside it",
  ],
  "a callout without an address": [
    "auth:\n  external:\n    timeout: 5s\n",
    "weir.yaml:3:14: auth.external.timeout: it needs url beside it",
  ],
  "another store": [
    "storage: { type: badger }",
    'weir.yaml:1:18: storage.type: expected sqlite or memory, found the text "badger"; Weir keeps its data in SQLite',
  ],
};

for (const [what, [yaml, ...lines]] of Object.entries(WRONG)) {
  Deno.test(`refuses ${what}`, () => assert.deepEqual(problemsOf(yaml), lines));
}

Deno.test("tells every problem at once, from top to bottom, and no clash that follows from one", () => {
  const yaml = `
brokr: {}
server:
  tcp_addr: nowhere
  listeners:
    - { name: b, addr: "127.0.0.1:1883" }
    - { name: b, addr: "127.0.0.1:1884", protocol: v4 }
log: { level: loud }`;
  assert.deepEqual(
    problemsOf(yaml, { env: { WEIR_LOG_FORMAT: "xml" } }).map((line) => line.replace(/: (expected|unknown).*/, "")),
    [
      "weir.yaml:2:1: brokr",
      "weir.yaml:4:13: server.tcp_addr",
      'weir.yaml:7:15: server.listeners[1].name: "b" is taken by server.listeners[0].name (weir.yaml:6:15)',
      "weir.yaml:7:52: server.listeners[1].protocol",
      "weir.yaml:8:15: log.level",
      "WEIR_LOG_FORMAT: log.format",
    ],
  );
});

Deno.test("a time is not held against one that could not be read, and against others whatever else is wrong", () => {
  const delayed = "server: { connect_timeout: soon }\nauth: { failed_login_delay: 15s }\n";
  assert.deepEqual(problemsOf(delayed).map((line) => line.replace(/: expected.*/, "")), [
    "weir.yaml:1:28: server.connect_timeout",
  ]);
  assert.deepEqual(problemsOf("auth: { chain: [nobody], ban_time: 1h, ban_time_max: 1m }").slice(1), [
    "weir.yaml:1:54: auth.ban_time_max: it is shorter than auth.ban_time (weir.yaml:1:36)",
  ]);
});

Deno.test("the error carries its problems for programs", () => {
  assert.throws(() => load("log:\n  level: loud\n"), (error) => {
    assert.ok(error instanceof ConfigError);
    const [{ place, path, message }] = error.problems;
    assert.deepEqual([formatPlace(place), place, path], [
      "weir.yaml:2:10",
      { file: "weir.yaml", line: 2, column: 10 },
      "log.level",
    ]);
    assert.match(message, /^expected debug/);
    return true;
  });
});

const SEED_KEYS = {
  "the health endpoint": ["server.health_addr"],
  OpenTelemetry: ["server.otel_service_name"],
  clustering: ["cluster"],
  webhooks: ["webhook"],
  "replication of queues": ["queue.replication"],
  "storage on disk": ["storage.badger_dir"],
};

for (const [part, paths] of Object.entries(SEED_KEYS)) {
  Deno.test(`refuses the keys of ${part}, which this version does not have`, () => {
    for (const path of paths) {
      const [section, key] = path.split(".");
      const [yaml, column] = key === undefined
        ? [`${section}: { enabled: false }`, 1]
        : [`${section}: { ${key}: "" }`, section.length + 5];
      assert.deepEqual(problemsOf(yaml), [
        `weir.yaml:1:${column}: ${path}: this version of Weir does not support ${part}; remove it`,
      ]);
    }
  });
}

Deno.test("the HTTP door is held to the rules of every listener", () => {
  const open = (addr: string, rest = "") => problemsOf(`server: { http_enabled: true, http_addr: "${addr}"${rest} }`);
  assert.match(open("127.0.0.1:1883")[0], /127.0.0.1:1883 is taken by server.tcp_addr/);
  assert.match(open(":8080")[0], new RegExp(`server.http_addr: :8080 ${EXPOSED.slice(0, 60)}`));
  assert.match(
    open("127.0.0.1:1", ", listeners: [{ name: http, addr: '127.0.0.1:2' }]")[0],
    /"http" is taken by server.http_addr/,
  );
  assert.match(open("127.0.0.1:1", ', tcp_addr: ""')[0], /nobody could connect/);
  assert.deepEqual(problemsOf('server: { http_addr: ":8080" }'), [], "while it is shut it is nowhere");
  assert.match(problemsOf("server: { http: { plain: x } }")[0], /no such key in Weir: see server.http_enabled/);
  const tls = (text: string) => problemsOf(`server: { http_enabled: true, ${text} }`);
  assert.match(tls("http_cert_file: c")[0], /server.http_cert_file: it needs http_key_file beside it/);
  assert.match(tls("http_min_version: '1.3'")[0], /server.http_min_version: it needs http_cert_file beside it/);
  assert.match(
    tls("http_cert_file: c, http_key_file: k, http_client_auth: require")[0],
    /it needs http_ca_file beside it/,
  );
  assert.match(
    tls("http_cert_file: c, http_key_file: k, http_ca_file: a")[0],
    /write http_client_auth: require or request/,
  );
  const locked = "http_cert_file: c, http_key_file: k, http_client_auth: require, http_ca_file: a";
  assert.deepEqual(tls(`http_addr: ":8080", ${locked}`), [], "nobody comes in without a certificate");
  const origins = (text: string) => problemsOf(`server: { http_enabled: true, http_cors_origins: ${text} }`);
  assert.deepEqual(origins('["https://a.example", "http://localhost:3000"]'), []);
  assert.match(origins("https://a.example/app")[0], /an origin has no path/);
  assert.deepEqual(origins('"*.example, localhost:3000"'), []);
  assert.match(origins("a example")[0], /expected origins/);
});

Deno.test("the CoAP door is held to the rules of every listener, on ports of its own", () => {
  const open = (addr: string, rest = "") => problemsOf(`server: { coap_enabled: true, coap_addr: "${addr}"${rest} }`);
  assert.deepEqual(open("127.0.0.1:1883"), [], "TCP has the other ports");
  assert.match(open(":5683")[0], new RegExp(`server.coap_addr: :5683 ${EXPOSED.slice(0, 60)}`));
  assert.match(
    open("127.0.0.1:1", ", listeners: [{ name: coap, addr: '127.0.0.1:1' }]")[0],
    /"coap" is taken by server.coap_addr/,
  );
  assert.match(open("127.0.0.1:1", ', tcp_addr: ""')[0], /nobody could connect/);
  assert.deepEqual(problemsOf('server: { coap_addr: ":5683" }'), [], "while it is shut it is nowhere");
  assert.match(problemsOf("server: { coap: { plain: x } }")[0], /no such key in Weir: see server.coap_enabled/);
});

Deno.test("refuses keys that have become others, and says which", () => {
  assert.match(
    problemsOf("server: { tcp_read_timeout: 60s }")[0],
    /there is no such key in Weir: the client's keep alive decides/,
  );
  assert.match(
    problemsOf('server: { listeners: [{ name: b, addr: "[::1]:1", cipher_suites: x }] }')[0],
    /there is no such key in Weir: see cert_file/,
  );
});

Deno.test("the keys of TLS elsewhere say where they are here", () => {
  for (const text of ["server: { tls_enabled: true }", "server: { tls_cert_file: x }", "tls: { cert: x }"]) {
    assert.match(problemsOf(text)[0], /give a listener under server\.listeners a cert_file and a key_file$/, text);
  }
});

const TLS_CLASHES: Readonly<Record<string, string>> = {
  "cert_file: c": "cert_file: it needs key_file beside it",
  "key_file: k": "key_file: it needs cert_file beside it",
  "min_version: '1.3'": "min_version: it needs cert_file beside it",
  "cert_file: c, key_file: k, client_auth: require": "client_auth: it needs ca_file beside it",
  "cert_file: c, key_file: k, client_auth: request": "client_auth: it needs ca_file beside it",
  "cert_file: c, key_file: k, ca_file: a":
    "ca_file: nobody is asked for a certificate: write client_auth: require or request",
  "cert_file: c, key_file: k, client_auth: require, ca_file: a": "",
  "cert_file: c, key_file: k, client_auth: require, crl_file: r, ca_file: a": "",
  "cert_file: c, key_file: k": "",
};

for (const [keys, expected] of Object.entries(TLS_CLASHES)) {
  Deno.test(`a TLS listener with ${keys}: ${expected === "" ? "fine" : expected}`, () => {
    const problems = problemsOf(`server: { listeners: [{ name: b, addr: "127.0.0.1:1", ${keys} }] }`);
    const found = problems.map((line) => line.replace(/^.*listeners\[0\]\./, ""));
    assert.deepEqual(found, expected === "" ? [] : [expected]);
  });
}

Deno.test("a listener that everybody needs a certificate for may face other machines, one that asks for it may not", () => {
  const open = (clientAuth: string) => {
    const keys = `cert_file: c, key_file: k, ca_file: a, client_auth: ${clientAuth}`;
    return problemsOf(`server: { tcp_addr: "", listeners: [{ name: b, addr: ":8883", ${keys} }] }`);
  };
  assert.deepEqual(open("require"), []);
  assert.match(open("request")[0], /can be reached from other machines/);
});

Deno.test("whom a certificate names may be all who come in", () => {
  const { auth } = load(`${MUTUAL}auth: { allow_anonymous: false, certificate_username: cn, acl_default: deny }`);
  assert.equal(auth.allowAnonymous, false);
});

Deno.test("no door opens to other machines without a word about who may come in", () => {
  const doors = {
    tcp: 'tcp_addr: ":1883"',
    listener: 'listeners: [{ name: b, addr: "0.0.0.0:1884" }]',
    proxied: 'listeners: [{ name: b, addr: "127.0.0.1:1884", trusted_proxies: [127.0.0.1] }]', // it faces whom the proxy faces
    tls: 'listeners: [{ name: b, addr: "0.0.0.0:8883", cert_file: c, key_file: k }]',
    ws: 'ws_enabled: true, ws_addr: ":8083"',
    "ws listener": 'listeners: [{ name: b, addr: "0.0.0.0:8083", path: /mqtt }]',
    wss: 'listeners: [{ name: b, addr: "0.0.0.0:8084", path: /mqtt, cert_file: c, key_file: k }]',
    http: 'http_enabled: true, http_addr: ":8080"',
    https: 'http_enabled: true, http_addr: ":8443", http_cert_file: c, http_key_file: k',
    coap: 'coap_enabled: true, coap_addr: ":5683"',
  };
  for (const path of Object.keys(SETTINGS).filter((path) => /^server\..*addr$/.test(path))) {
    const key = path.slice("server.".length);
    assert.ok(Object.values(doors).some((door) => door.includes(`${key}: `)), `${path} is a door of the list`);
  }
  for (const [name, door] of Object.entries(doors)) {
    const server = `server: { ${door} }\n`;
    assert.match(problemsOf(server).join(), /can be reached/, name);
    assert.deepEqual(problemsOf(`${server}auth: { allow_anonymous: true }`), [], name);
    assert.deepEqual(problemsOf(`${server}auth: { users_file: u, acl_default: deny }`), [], name);
    assert.match(
      problemsOf(`${server}auth: { certificate_username: cn, acl_default: deny }`).join(),
      /can be reached/,
      name,
    );
    assert.match(problemsOf(`${server}auth: { allow_anonymous: false }`).join(), /nobody could connect/, name);
  }
});

Deno.test("a listener behind a proxy is open to whoever reaches that, also on this machine", () => {
  const doors = {
    listener: 'listeners: [{ name: b, addr: "127.0.0.1:1884", trusted_proxies: ["127.0.0.1"] }]',
    http: 'http_enabled: true, http_trusted_proxies: ["127.0.0.1"]',
  };
  for (const [name, door] of Object.entries(doors)) {
    const server = `server: { ${door} }\n`;
    assert.match(problemsOf(server).join(), /can be reached by whoever reaches its proxies/, name);
    assert.deepEqual(problemsOf(`${server}auth: { allow_anonymous: true }`), [], name);
  }
  assert.deepEqual(problemsOf('server: { http_trusted_proxies: ["127.0.0.1"] }'), [], "it is shut");
  const { listeners } = load('server: { listeners: [{ name: b, addr: "127.0.0.1:1884", trusted_proxies: [] }] }');
  assert.equal(listeners[1].proxyProtocol, undefined, "an empty list names no proxy");
});

Deno.test("users, or a word, open a listener to other machines", () => {
  assert.equal(
    load(`server: { tcp_addr: :1883 }\nauth: { acl_default: deny, scram: { users: [${SCRAM_USER}] } }`).listeners[0]
      .hostname,
    "::",
  );
  assert.equal(load("server: { tcp_addr: :1883 }\nauth: { allow_anonymous: true }").auth.allowAnonymous, true);
  for (const addr of ["127.0.0.1:1", "127.8.8.8:1", "localhost:1", "[::1]:1", "[::ffff:127.0.0.1]:1"]) {
    assert.equal(load(`server: { tcp_addr: "${addr}" }`).auth.allowAnonymous, true, addr);
  }
  for (const addr of ["0.0.0.0:1", "10.0.0.1:1", "[::]:1", "broker.example:1", "128.0.0.1:1", "127.0.0.1.example:1"]) {
    assert.equal(problemsOf(`server: { tcp_addr: "${addr}" }`).length, 1, addr);
  }
});

Deno.test("different addresses, and ports that the system chooses, do not clash", () => {
  const yaml = `
server:
  tcp_addr: "127.0.0.1:0"
  listeners:
    - { name: a, addr: "127.0.0.1:0" }
    - { name: b, addr: "127.0.0.1:1883" }
    - { name: c, addr: "127.0.0.2:1883" }
    - { name: d, addr: "[::1]:1883" }`;
  assert.equal(load(yaml).listeners.length, 5);
});

Deno.test("a maximum cuts the defaults that nobody wrote", () => {
  assert.equal(load("session: { max_expiry_interval: 1h }").limits.sessionExpirySecondsV3, 3600);
  assert.equal(load("broker: { max_message_size: 2KiB }").connection.connectBytesMax, 2048);
});

Deno.test("a file that is missing, a directory, forbidden or broken is told, never taken for an empty one", () => {
  const read = (error: Error) =>
    complaintsOf(() =>
      load("", {
        readFile: () => {
          throw error;
        },
      })
    );
  assert.deepEqual(read(new Deno.errors.NotFound("x")), ["weir.yaml: cannot read it: there is no such file"]);
  assert.deepEqual(read(new Deno.errors.PermissionDenied("x")), [
    "weir.yaml: cannot read it: this user may not read it",
  ]);
  assert.deepEqual(read(new Deno.errors.NotCapable("x")), [
    "weir.yaml: cannot read it: Deno was not allowed to; grant it beside what deno.json does: --allow-read=config,data,src,weir.yaml",
  ]);
  assert.deepEqual(read(new Error("Input/output error")), ["weir.yaml: cannot read it: Input/output error"]);
  const missing = `${Deno.makeTempDirSync()}/none.yaml`;
  assert.deepEqual(complaintsOf(() => loadConfig({ path: missing })), [
    `${missing}: cannot read it: there is no such file`,
  ]);
  assert.deepEqual(complaintsOf(() => loadConfig({ path: "." })), [".: cannot read it: it is a directory"]);
});

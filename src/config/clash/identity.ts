/** What clashes among the keys that tell who a client is, and what it may do. */
import type { SourceName } from "../config.ts";
import type { Reading } from "../reading.ts";
import type { SettingPath } from "../schema.ts";
import { hasNames, sourcesOf } from "../sources.ts";
import { changedUnder, type Clash, isChanged, needs, repeated, whereOf } from "./clash.ts";

/** Every clash of this part. */
export function* identityClashes(reading: Reading): Iterable<Clash> {
  yield* nobody(reading);
  yield* noCertificates(reading);
  yield* tokenClashes(reading);
  yield* externalClashes(reading);
  yield* chainClashes(reading);
  yield* noRules(reading);
}

/** Two users of one name. */
export function* sameUsers(reading: Reading): Iterable<Clash> {
  const users = reading.lists["auth.scram.users"].map(({ username }, index) => {
    return { path: `auth.scram.users[${index}].username`, name: username };
  });
  for (const { path, name, first } of repeated(users)) {
    yield { path, message: `"${name}" is already there (${whereOf(reading, first)})` };
  }
}

function* nobody(reading: Reading): Iterable<Clash> {
  if (reading.values["auth.allow_anonymous"] !== false || hasNames(reading)) return;
  yield {
    path: "auth.allow_anonymous",
    message:
      "nobody could connect: it is false and nothing tells who a client is, such as auth.users_file (weir user add NAME makes one)",
  };
}

/** A name in what nobody shows. */
function* noCertificates({ values, lists }: Reading): Iterable<Clash> {
  const path = "auth.certificate_username";
  const asksByHttp = values["server.http_enabled"] && values["server.http_client_auth"] !== "none";
  const asks = lists["server.listeners"].some(({ client_auth: asked = "none" }) => asked !== "none");
  if (values[path] === "none" || asks || asksByHttp) return;
  yield { path, message: "no listener asks for a certificate: client_auth of server.listeners makes it" };
}

function* tokenClashes(reading: Reading): Iterable<Clash> {
  const { values } = reading;
  if (!sourcesOf(reading).jwt) {
    for (const path of changedUnder(reading, "auth.jwt")) yield needs(path, "key_file or jwks_url");
    return;
  }
  const [hasFile, hasUrl] = [values["auth.jwt.key_file"] !== null, values["auth.jwt.jwks_url"] !== null];
  const algorithms = values["auth.jwt.algorithms"];
  const secrets = algorithms.filter((algorithm) => algorithm.startsWith("HS")).length;
  const says = (path: SettingPath, message: string) => ({ path, message });
  if (hasFile && hasUrl) yield says("auth.jwt.jwks_url", "the keys are in key_file already: one of the two");
  if (algorithms.length === 0) {
    const keys = hasFile ? "auth.jwt.key_file" : "auth.jwt.jwks_url";
    yield says(keys, "it needs algorithms beside it: what tokens are signed by");
  }
  if (secrets > 0 && secrets < algorithms.length) {
    const message = "secrets and public keys do not go together: who has the public key could sign with it";
    yield says("auth.jwt.algorithms", message);
  }
  if (secrets > 0 && hasUrl) {
    yield says("auth.jwt.algorithms", "a secret is not published: jwks_url goes with public keys");
  }
  for (const path of ["auth.jwt.ca_file", "auth.jwt.jwks_max_age"] as const) {
    if (!hasUrl && isChanged(reading, path)) yield needs(path, "jwks_url");
  }
}

function* externalClashes(reading: Reading): Iterable<Clash> {
  if (!sourcesOf(reading).external) {
    for (const path of changedUnder(reading, "auth.external")) yield needs(path, "url");
  }
  const stale = "auth.external.stale_ttl";
  if (isChanged(reading, stale) && reading.values["auth.external.when_down"] === "deny") {
    yield needs(stale, "when_down: allow_cached");
  }
}

/** What each source goes by. */
const CONFIGURED_BY: Readonly<Record<SourceName, string>> = {
  certificate: "auth.certificate_username",
  jwt: "auth.jwt",
  users: "auth.users_file and auth.scram.users",
  external: "auth.external.url",
};

/** A source that nobody asks would let nobody in, and one that there is not could be thought to. */
function* chainClashes(reading: Reading): Iterable<Clash> {
  const path = "auth.chain";
  if (!isChanged(reading, path)) return;
  const chain = reading.values[path];
  for (const [name, isThere] of Object.entries(sourcesOf(reading)) as [SourceName, boolean][]) {
    if (isThere === chain.includes(name)) continue;
    const by = CONFIGURED_BY[name];
    const message = isThere
      ? `it leaves out ${name}, though there is ${by}`
      : `it names ${name}, and there is no ${by}`;
    yield { path, message };
  }
}

/** Users that may do nothing, or everything, by a default that nobody chose. Those that bring rules of their own, as a token can, are not
 * meant. */
function* noRules({ values, lists }: Reading): Iterable<Clash> {
  const isDecided = values["auth.acl_default"] !== "auto" || values["auth.acl_file"] !== null;
  if (isDecided || lists["auth.acl"].length > 0) return;
  const path = values["auth.users_file"] !== null
    ? "auth.users_file"
    : lists["auth.scram.users"].length > 0
    ? "auth.scram.users"
    : values["auth.certificate_username"] !== "none"
    ? "auth.certificate_username"
    : undefined;
  if (path === undefined) return;
  yield {
    path,
    message:
      "there are users and nothing says what they may do: list rules under auth.acl or in auth.acl_file, or write " +
      "auth.acl_default: allow if every user may do everything",
  };
}

/** What clashes among the keys that tell who a client is. */
import { formatPlace, type Place } from "./problem.ts";
import type { Reading } from "./reading.ts";
import type { SourceName } from "./config.ts";
import { type SettingPath, SETTINGS } from "./schema.ts";

/** The message may name other places. */
export interface Clash {
  readonly path: string;
  message(reading: Reading): string;
}

/** Whether anything tells who a client is. A certificate does so on its own listener only, and is not counted. */
export function hasIdentities(reading: Pick<Reading, "values" | "lists">): boolean {
  const { jwt, users, external } = sourcesOf(reading);
  return jwt || users || external;
}

/** Every clash of this part. */
export function* identityClashes(reading: Reading): Iterable<Clash> {
  yield* nobody(reading);
  yield* noCertificates(reading);
  yield* tooLongDelay(reading);
  yield* tooShortBan(reading);
  yield* tokenClashes(reading);
  yield* externalClashes(reading);
  yield* chainClashes(reading);
}

/** Where a key was written. */
export function whereOf(reading: Reading, path: string): string {
  return formatPlace(placeOf(reading, path));
}

/** Where a key was written, or that nobody has. */
export function placeOf(reading: Reading, path: string): Place {
  return reading.places.get(path) ?? { variable: "default" };
}

function* nobody(reading: Reading): Iterable<Clash> {
  const { values } = reading;
  if (values["auth.allow_anonymous"] !== false || Object.values(sourcesOf(reading)).includes(true)) return;
  yield {
    path: "auth.allow_anonymous",
    message: () =>
      "nobody could connect: it is false and nothing tells who a client is, such as auth.users_file (weir user add NAME makes one)",
  };
}

/** A name in what nobody shows. */
function* noCertificates({ values, lists }: Reading): Iterable<Clash> {
  const path = "auth.certificate_username";
  const asksByHttp = values["server.http_enabled"] && values["server.http_client_auth"] !== "none";
  const asks = lists["server.listeners"].some(({ client_auth: asked = "none" }) => asked !== "none");
  if (values[path] === "none" || asks || asksByHttp) return;
  yield { path, message: () => "no listener asks for a certificate: client_auth of server.listeners makes it" };
}

/** The connection would be gone before it is told. A default that nobody wrote is cut silently instead. */
function* tooLongDelay({ values, places }: Reading): Iterable<Clash> {
  const path = "auth.failed_login_delay";
  if (!places.has(path) || values[path] < values["server.connect_timeout"]) return;
  yield {
    path,
    message: (reading) => {
      return `it is not shorter than server.connect_timeout (${whereOf(reading, "server.connect_timeout")})`;
    },
  };
}

/** A default that nobody wrote gives way silently instead. */
function* tooShortBan({ values, places }: Reading): Iterable<Clash> {
  const path = "auth.ban_time_max";
  if (!places.has(path) || values[path] >= values["auth.ban_time"]) return;
  yield { path, message: (reading) => `it is shorter than auth.ban_time (${whereOf(reading, "auth.ban_time")})` };
}

function* externalClashes(reading: Reading): Iterable<Clash> {
  const { values } = reading;
  for (const path of pathsUnder("auth.external")) {
    if (values["auth.external.url"] !== null || !isChanged(reading, path)) continue;
    yield { path, message: () => "it needs url beside it" };
  }
  const stale = "auth.external.stale_ttl";
  if (isChanged(reading, stale) && values["auth.external.when_down"] === "deny") {
    yield { path: stale, message: () => "it needs when_down: allow_cached beside it" };
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
    yield {
      path,
      message: () =>
        isThere ? `it leaves out ${name}, though there is ${by}` : `it names ${name}, and there is no ${by}`,
    };
  }
}

function sourcesOf({ values, lists }: Pick<Reading, "values" | "lists">): Readonly<Record<SourceName, boolean>> {
  return {
    certificate: values["auth.certificate_username"] !== "none",
    jwt: hasTokens(values),
    users: values["auth.users_file"] !== null || lists["auth.scram.users"].length > 0,
    external: values["auth.external.url"] !== null,
  };
}

/** The keys of a map in a section. */
function pathsUnder(map: string): SettingPath[] {
  return Object.keys(SETTINGS).filter((path): path is SettingPath => path.startsWith(`${map}.`));
}

/** Whether a key was written, to something else than its default. */
function isChanged({ values, places }: Reading, path: SettingPath): boolean {
  return places.has(path) && JSON.stringify(values[path]) !== JSON.stringify(SETTINGS[path].initial);
}

function hasTokens(values: Reading["values"]): boolean {
  return values["auth.jwt.key_file"] !== null || values["auth.jwt.jwks_url"] !== null;
}

function* tokenClashes(reading: Reading): Iterable<Clash> {
  const { values } = reading;
  const keys: SettingPath = values["auth.jwt.key_file"] === null ? "auth.jwt.jwks_url" : "auth.jwt.key_file";
  const algorithms = values["auth.jwt.algorithms"];
  const says = (path: SettingPath, words: string) => ({ path, message: () => words });
  if (!hasTokens(values)) {
    for (const path of pathsUnder("auth.jwt")) {
      if (isChanged(reading, path)) yield says(path, "it needs key_file or jwks_url beside it");
    }
    return;
  }
  if (values["auth.jwt.key_file"] !== null && values["auth.jwt.jwks_url"] !== null) {
    yield says("auth.jwt.jwks_url", "the keys are in key_file already: one of the two");
  }
  if (algorithms.length === 0) yield says(keys, "it needs algorithms beside it: what tokens are signed by");
  const secrets = algorithms.filter((algorithm) => algorithm.startsWith("HS")).length;
  if (secrets > 0 && secrets < algorithms.length) {
    yield says(
      "auth.jwt.algorithms",
      "secrets and public keys do not go together: who has the public key could sign with it",
    );
  }
  if (secrets > 0 && values["auth.jwt.jwks_url"] !== null) {
    yield says("auth.jwt.algorithms", "a secret is not published: jwks_url goes with public keys");
  }
  for (const path of ["auth.jwt.ca_file", "auth.jwt.jwks_max_age"] as const) {
    if (isChanged(reading, path) && values["auth.jwt.jwks_url"] === null) {
      yield says(path, "it needs jwks_url beside it");
    }
  }
}

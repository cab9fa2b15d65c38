import { setting } from "../setting.ts";
import type { JwtAlgorithm } from "../config.ts";
import { addressRanges, words } from "../list_type.ts";
import { pathOrNone, text, urlOrNone } from "../text_type.ts";
import { choice, count, duration, flag } from "../value_type.ts";

/** `auth`: the users file. */
export const USERS_SETTINGS = {
  "auth.users_file": setting<string | null>({
    type: pathOrNone(),
    initial: null,
    about:
      "Users with a password and groups, kept as scrypt hashes: `weir user add NAME` makes the file. Only its owner and its group " +
      "may read it. Read again at SIGHUP: who was removed, disabled or changed is disconnected.",
    atLimit: "A wrong name or password: CONNACK 0x86 (Bad User Name or Password), in 3.1.1 0x04.",
  }),
};

/** `auth`: what a login that fails costs. */
export const FAILED_LOGIN_SETTINGS = {
  "auth.failed_login_delay": setting({
    type: duration({ from: "10ms", to: "1m", zero: true }),
    initial: 1_000,
    about:
      "How long after its beginning a login that fails is answered at the earliest; shorter than `server.connect_timeout`. It makes " +
      "guessing slow, and tells nobody whether the name or the password was wrong.",
  }),
  "auth.ban_after": setting({
    type: count({ from: 0, to: 1_000_000 }),
    initial: 10,
    about:
      "Logins from one address that fail before it is banned for a time; of IPv6 the first 64 bits are an address. 0 is never. Whoever " +
      "logs in from behind the same address is banned as well.",
    atLimit: "CONNACK 0x8A (Banned), in 3.1.1 0x05, before any password is looked at; told in the log.",
  }),
  "auth.ban_time": setting({
    type: duration({ from: "1s", to: "7d" }),
    initial: 60_000,
    about: "How long the first ban lasts; each login that fails after it doubles the next one.",
  }),
  "auth.ban_time_max": setting({
    type: duration({ from: "1s", to: "365d" }),
    initial: 3_600_000,
    about: "The longest ban.",
  }),
  "auth.ban_memory": setting({
    type: duration({ from: "1s", to: "365d" }),
    initial: 600_000,
    about: "How long after the last failure, or the end of a ban, an address is as good as new.",
  }),
  "auth.ban_exempt": setting<readonly string[]>({
    type: addressRanges(),
    initial: ["127.0.0.0/8", "::1"],
    about: "Who is never banned: addresses of proxies behind which many clients are, for one.",
  }),
};

const JWT_ALGORITHMS: readonly JwtAlgorithm[] = [
  ...["HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512"] as const,
  ...["ES256", "ES384", "ES512", "EdDSA"] as const,
];

/** `auth.jwt`: signed tokens. */
export const JWT_SETTINGS = {
  "auth.jwt.key_file": setting<string | null>({
    type: pathOrNone(),
    initial: null,
    about:
      "What signatures of tokens are verified with: a public key or certificate (PEM), a JWK or a set of them, or, for HS256 and its " +
      "like, the secret. Clients give a token as their password then. Read again at SIGHUP.",
    atLimit:
      "A token that is not valid: CONNACK 0x86, in 3.1.1 0x04; one that is not accepted, has expired for one: 0x87, 0x05.",
  }),
  "auth.jwt.jwks_url": setting<string | null>({
    type: urlOrNone(),
    initial: null,
    about:
      "Where the keys are published (a JWK set), in place of `key_file`. Asked again when they are old or a token names another one, " +
      "twice a minute at most; while it is down the keys are used for a day.",
    atLimit: "As long as there are no keys: CONNACK 0x88 (Server unavailable), in 3.1.1 0x03.",
  }),
  "auth.jwt.ca_file": setting<string | null>({
    type: pathOrNone(),
    initial: null,
    about: "Who signs the certificate of `jwks_url` (PEM), besides those whom the runtime trusts.",
  }),
  "auth.jwt.jwks_max_age": setting({
    type: duration({ from: "10s", to: "1d" }),
    initial: 600_000,
    about: "After this long the keys of `jwks_url` are asked for again.",
  }),
  "auth.jwt.algorithms": setting<readonly JwtAlgorithm[]>({
    type: words(JWT_ALGORITHMS),
    initial: [],
    about:
      "What tokens may be signed by, whatever they say themselves; needed with a key. Secrets and public keys do not go together.",
  }),
  "auth.jwt.issuer": setting({
    type: text({ from: 0, to: 1024 }),
    initial: "",
    about: "What `iss` must be; empty is anything.",
  }),
  "auth.jwt.audience": setting({
    type: text({ from: 0, to: 1024 }),
    initial: "",
    about: "What `aud` must be or contain; empty is anything, also tokens that were made for others.",
  }),
  "auth.jwt.clock_tolerance": setting({
    type: duration({ from: "1s", to: "10m", zero: true }),
    initial: 5_000,
    about: "How far the clock of who signs may be off.",
  }),
  "auth.jwt.require_expiry": setting({
    type: flag(),
    initial: true,
    about: "Whether a token must have an end (`exp`). At its end the client is disconnected (MQTT 5: 0x87) either way.",
  }),
  "auth.jwt.username_claim": setting({
    type: text({ from: 1, to: 256 }),
    initial: "sub",
    about: "Which claim is the user name.",
  }),
  "auth.jwt.groups_claim": setting({
    type: text({ from: 0, to: 256 }),
    initial: "groups",
    about: "Which claim has the groups, a list of texts; empty is none.",
  }),
  "auth.jwt.acl_claim": setting({
    type: text({ from: 0, to: 256 }),
    initial: "acl",
    about:
      "Which claim says what the client may do, in place of the broker's own rules, if a token has it; empty is none. " +
      'It looks like `{"publish": {"allow": ["a/#"], "deny": ["a/x"]}, "subscribe": {"allow": ["b/%c"]}}`; what it does not allow is denied.',
  }),
  "auth.jwt.username": setting<"match" | "ignore">({
    type: choice(["match", "ignore"]),
    initial: "match",
    about:
      "Whether a user name in CONNECT, if there is one, must be that of the token (`match`) or says nothing (`ignore`).",
  }),
};

/** `auth.external`: another program that knows the users. */
export const EXTERNAL_SETTINGS = {
  "auth.external.url": setting<string | null>({
    type: urlOrNone({ isBase: true }),
    initial: null,
    about:
      "Who is asked about clients that give a user name and are not known otherwise: `POST <url>/auth/authenticate`. docs/security.md " +
      "has the question and the answer. At SIGHUP what it said is forgotten.",
    atLimit:
      "When it says no: CONNACK 0x86, in 3.1.1 0x04. When it does not answer, or not as it should: see `when_down`; CONNACK 0x88 " +
      "(Server unavailable), in 3.1.1 0x03.",
  }),
  "auth.external.timeout": setting({
    type: duration({ from: "50ms", to: "1m" }),
    initial: 2_000,
    about:
      "How long an answer may take, from the connection to its last byte. After five failures nobody is asked for ten seconds.",
  }),
  "auth.external.ca_file": setting<string | null>({
    type: pathOrNone(),
    initial: null,
    about: "Who signs the certificate of `url` (PEM), besides those whom the runtime trusts.",
  }),
  "auth.external.token_file": setting<string | null>({
    type: pathOrNone(),
    initial: null,
    about: "A secret that is shown with each question, as `Authorization: Bearer ...`. Read at the start.",
  }),
  "auth.external.max_concurrent": setting({
    type: count({ from: 1, to: 1_000 }),
    initial: 32,
    about: "Questions under way at a time; a thousand more wait.",
    atLimit: "CONNACK 0x89 (Server busy), in 3.1.1 0x03.",
  }),
  "auth.external.identity_cache_size": setting({
    type: count({ from: 0, to: 1_000_000 }),
    initial: 10_000,
    about:
      "Answers that are kept, of those who are let in and of those who are not each; 0 is none. A password is kept as a hash.",
    atLimit: "The oldest goes.",
  }),
  "auth.external.identity_cache_ttl": setting({
    type: duration({ from: "1s", to: "1d", zero: true }),
    initial: 60_000,
    about: "How long the answer that a client may come in is good, for the same client with the same password.",
  }),
  "auth.external.negative_cache_ttl": setting({
    type: duration({ from: "1s", to: "1h", zero: true }),
    initial: 5_000,
    about: "How long the answer that it may not is.",
  }),
  "auth.external.when_down": setting<"deny" | "allow_cached">({
    type: choice(["deny", "allow_cached"]),
    initial: "deny",
    about:
      "When nobody answers: let nobody in whose answer is not kept (`deny`), or those with an older answer, too (`allow_cached`).",
  }),
  "auth.external.stale_ttl": setting({
    type: duration({ from: "1s", to: "7d" }),
    initial: 3_600_000,
    about: "How much older, for `allow_cached`.",
  }),
};

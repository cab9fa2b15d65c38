import { getLogger } from "@logtape/logtape";
import { withoutQuery } from "../auth/bounded_fetch.ts";
import { CalloutSource } from "../auth/callout_source.ts";
import { RemoteKeys } from "../auth/remote_keys.ts";
import { readTokenKeys, type TokenKeys, TokenKeysError } from "../auth/token_keys.ts";
import { TokenSource } from "../auth/token_source.ts";
import type { AuthConfig, ExternalConfig, JwtConfig } from "../config/config.ts";
import { wordsOf } from "../core/text.ts";
import { NamedFileError, readNamedFile } from "./named_file.ts";

/** A source with what it holds open. */
export interface OpenSource<S> extends Disposable {
  readonly source: S;
  /** Reads files again and forgets what was kept.
   * @throws {Error} when a file cannot be used; everything is as before then */
  reload(): Promise<void>;
}

/** @throws {Error} naming the key and the file, when one cannot be used */
export async function openTokens(jwt: JwtConfig): Promise<OpenSource<TokenSource>> {
  const { issuer, audience, groupsClaim, aclClaim, keyFile } = jwt;
  const options = {
    ...jwt,
    issuer: issuer || undefined,
    audience: audience || undefined,
    groupsClaim: groupsClaim || undefined,
    aclClaim: aclClaim || undefined,
  };
  if (keyFile !== undefined) {
    const source = new TokenSource(await keysOf(keyFile, jwt), options);
    return { source, reload: async () => source.replace(await keysOf(keyFile, jwt)), [Symbol.dispose]: () => {} };
  }
  const authority = jwt.caFile && await readNamedFile("auth.jwt.ca_file", jwt.caFile);
  const keys = remoteKeys(jwt, authority);
  void keys.refresh(); // nobody waits: until there are keys nobody comes in by a token
  return {
    source: new TokenSource(keys, options),
    reload: () => keys.refresh(),
    [Symbol.dispose]: () => keys[Symbol.dispose](),
  };
}

function remoteKeys({ jwksUrl, algorithms, jwksMaxAgeMs }: JwtConfig, authority: string | undefined): RemoteKeys {
  const logger = getLogger(["weir"]);
  const url = withoutQuery(jwksUrl!);
  return new RemoteKeys({
    url: jwksUrl!,
    authority,
    algorithms,
    maxAgeMs: jwksMaxAgeMs,
    onFetched: (error) => {
      if (error === undefined) logger.debug("the keys of tokens have been read from {url}", { url });
      else logger.error("cannot read the keys of tokens from {url}: {error}", { url, error: wordsOf(error) });
    },
  });
}

/** Reads the files of a configuration as a start would, and asks nobody.
 * @throws {Error} naming the key and the file, when one cannot be used */
export async function assertIdentityFiles({ jwt, external }: Pick<AuthConfig, "jwt" | "external">): Promise<void> {
  if (jwt?.keyFile !== undefined) await keysOf(jwt.keyFile, jwt);
  if (jwt?.caFile !== undefined) await readNamedFile("auth.jwt.ca_file", jwt.caFile);
  if (external?.caFile !== undefined) await readNamedFile("auth.external.ca_file", external.caFile);
  if (external?.tokenFile !== undefined) await readToken(external.tokenFile);
}

async function keysOf(path: string, { algorithms }: JwtConfig): Promise<TokenKeys> {
  const isSecret = algorithms.some((algorithm) => algorithm.startsWith("HS"));
  const text = await readNamedFile("auth.jwt.key_file", path, { isSecret });
  try {
    return await readTokenKeys(text, algorithms);
  } catch (cause) {
    if (!(cause instanceof TokenKeysError)) throw cause;
    throw new NamedFileError(`Cannot use auth.jwt.key_file ${path}: ${cause.message}`, { cause });
  }
}

/** @throws {Error} naming the key and the file, when one cannot be used */
export async function openCallout(external: ExternalConfig): Promise<OpenSource<CalloutSource>> {
  const { url, timeoutMs, caFile, tokenFile, cacheMs, negativeCacheMs, cacheEntriesMax } = external;
  const logger = getLogger(["weir"]);
  const authority = caFile && await readNamedFile("auth.external.ca_file", caFile);
  const token = tokenFile && await readToken(tokenFile);
  const source = new CalloutSource({
    url,
    timeoutMs,
    authority,
    cache: {
      entriesMax: cacheEntriesMax,
      knownMs: cacheMs,
      deniedMs: negativeCacheMs,
      staleMs: external.staleMs,
    },
    atOnceMax: external.concurrentMax,
    allowsStale: external.allowsCached,
    token,
    onState: (error) => {
      if (error === undefined) logger.warn("auth.external.url answers again");
      else logger.error("auth.external.url does not answer as it should: {error}", { error: wordsOf(error) });
    },
  });
  return {
    source,
    reload: () => Promise.resolve(source.forget()),
    [Symbol.dispose]: () => source[Symbol.dispose](),
  };
}

async function readToken(path: string): Promise<string> {
  const token = (await readNamedFile("auth.external.token_file", path, { isSecret: true })).trim();
  if (/^[\x21-\x7e]+$/.test(token)) return token;
  throw new NamedFileError(`Cannot use auth.external.token_file ${path}: expected one line without blanks`);
}

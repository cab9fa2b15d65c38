import { getLogger } from "@logtape/logtape";
import {
  ALLOW_ALL,
  type AuthenticationMethod,
  type Authenticator,
  knownClient,
  type PolicyOf,
} from "../auth/authenticator.ts";
import type { CalloutSource } from "../auth/callout_source.ts";
import { CertificateSource } from "../auth/certificate_source.ts";
import type { IdentitySource } from "../auth/identity.ts";
import { IdentityChain } from "../auth/identity_chain.ts";
import { mostOf } from "../auth/kept_password.ts";
import { PasswordSource } from "../auth/password_source.ts";
import { ScramSha256 } from "../auth/scram_sha_256.ts";
import { TokenMethod } from "../auth/token_method.ts";
import type { TokenSource } from "../auth/token_source.ts";
import type { UserEntry } from "../auth/user_list.ts";
import { readUsersFile, UsersFileError } from "../auth/users_file.ts";
import type { AuthConfig, ScramUser, SourceName } from "../config/config.ts";
import type { WillAuthor } from "../core/mutation.ts";
import { wordsOf } from "../core/text.ts";
import { assertIdentityFiles, openCallout, type OpenSource, openTokens } from "./identity_sources.ts";

/** What a chain needs from others. */
export interface AuthenticationChainOptions {
  /** What a client may do once it is known; {@link ALLOW_ALL} when absent. */
  readonly policyOf?: PolicyOf;
  /** Makes up the salts of SCRAM users who do not exist; random, and another one at the next start, when absent. */
  readonly decoySecret?: Uint8Array<ArrayBuffer>;
}

/** What a chain is made of. */
interface Parts {
  readonly auth: AuthConfig;
  readonly policyOf: PolicyOf;
  readonly decoySecret: Uint8Array<ArrayBuffer> | undefined;
  readonly users: ReadonlyMap<string, UserEntry>;
  readonly tokens: OpenSource<TokenSource> | undefined;
  readonly callout: OpenSource<CalloutSource> | undefined;
}

/** Everything that the configuration names to tell who a client is, asked in the order of `auth.chain`. The first that knows the client
 * decides. */
export class AuthenticationChain implements Disposable {
  /** Asked at a CONNECT without a method. */
  readonly authenticator: Authenticator;
  /** Those that a CONNECT may name. */
  readonly methods: readonly AuthenticationMethod[];
  readonly #parts: Parts;
  readonly #passwords: PasswordSource;
  readonly #known: Readonly<Record<SourceName, IdentitySource | undefined>>;

  private constructor(parts: Parts) {
    this.#parts = parts;
    const { auth } = parts;
    const scramUsers = new Map(auth.scramUsers.map((user) => [user.username, user]));
    this.#passwords = new PasswordSource({ users: parts.users, scramUsers });
    this.methods = methodsOf(parts, scramUsers);
    this.#known = this.#sources();
    this.authenticator = this.#authenticator();
  }

  /** Reads what the configuration names.
   * @throws {Error} for a file that cannot be used: nobody is let in by half of the sources */
  static async open(auth: AuthConfig, options: AuthenticationChainOptions = {}): Promise<AuthenticationChain> {
    const { policyOf = () => ALLOW_ALL, decoySecret } = options;
    using opened = new DisposableStack();
    const users = await usersOf(auth);
    const tokens = auth.jwt && opened.use(await openTokens(auth.jwt));
    const callout = auth.external && opened.use(await openCallout(auth.external));
    const chain = new AuthenticationChain({ auth, policyOf, decoySecret, users, tokens, callout });
    opened.move();
    return chain;
  }

  /** Reads files again, each by itself: one that cannot be used is told in the log and leaves what was. Clients whose user is not as
   * it was have to be ended then (`WeirBroker.endRevoked`). */
  async reload(): Promise<void> {
    const { auth, tokens, callout } = this.#parts;
    if (auth.usersFile !== undefined) {
      await reloading("auth.users_file", async () => this.#passwords.replace(await usersOf(auth)));
    }
    if (tokens !== undefined) await reloading("auth.jwt", () => tokens.reload());
    if (callout !== undefined) await reloading("auth.external", () => callout.reload());
  }

  /** Lets go of connections to others. */
  [Symbol.dispose](): void {
    this.#parts.tokens?.[Symbol.dispose]();
    this.#parts.callout?.[Symbol.dispose]();
  }

  /** Whether what let the author of a will in would still know it, as far as that can be told without asking it. */
  isKnown({ source, username }: Pick<WillAuthor, "source" | "username">): boolean {
    if (source === undefined) return this.#parts.auth.allowAnonymous;
    const found = Object.hasOwn(this.#known, source) ? this.#known[source as SourceName] : undefined;
    return found === this.#passwords ? this.#passwords.has(username!) : found !== undefined;
  }

  /** Those that there are. */
  #sources(): Readonly<Record<SourceName, IdentitySource | undefined>> {
    const { auth: { certificateUsername, usersFile, scramUsers }, tokens, callout } = this.#parts;
    const hasPasswords = usersFile !== undefined || scramUsers.length > 0;
    return {
      certificate: certificateUsername === "none" ? undefined : new CertificateSource(certificateUsername),
      jwt: tokens?.source,
      users: hasPasswords ? this.#passwords : undefined,
      external: callout?.source,
    };
  }

  /** Without anything to know clients by everybody keeps the name that it gives: it is nobody's beside names that are. */
  #authenticator(): Authenticator {
    const { auth: { allowAnonymous, chain }, policyOf } = this.#parts;
    const sources = chain.map((name) => this.#known[name]).filter((source) => source !== undefined);
    if (allowAnonymous && sources.length === 0) return openTo(policyOf);
    const isOpen = sources.every((source) => source === this.#known.certificate);
    return new IdentityChain({ sources, strangers: !allowAnonymous ? "none" : isOpen ? "all" : "nameless", policyOf });
  }
}

function methodsOf(parts: Parts, users: ReadonlyMap<string, ScramUser>): AuthenticationMethod[] {
  const { policyOf, tokens } = parts;
  return [
    ...users.size === 0 ? [] : [scramOf(parts, users)],
    ...tokens === undefined ? [] : [new TokenMethod(tokens.source, { policyOf })],
  ];
}

function scramOf(
  { auth, policyOf, decoySecret }: Parts,
  users: ReadonlyMap<string, ScramUser>,
): ScramSha256 {
  const { iterations } = mostOf(auth.scramUsers, (user) => user.iterations)!;
  const saltBytes = mostOf(auth.scramUsers, ({ salt }) => salt.length)!.salt.length;
  const decoy = decoySecret && { secret: decoySecret, iterations, saltBytes };
  return new ScramSha256((username) => users.get(username), { policyOf, decoy });
}

async function reloading(what: string, read: () => Promise<void>): Promise<void> {
  const logger = getLogger(["weir"]);
  try {
    await read();
    logger.info("{what} has been read again", { what });
  } catch (error) {
    logger.error("{what} cannot be used and stays as it was, with whoever was removed: {error}", {
      what,
      error: wordsOf(error),
    });
  }
}

/** Reads every file that a start would read to know who clients are, for those who only want to know whether it could.
 * @throws {Error} for a file that cannot be used */
export async function assertAuthenticationFiles(auth: AuthConfig): Promise<void> {
  await usersOf(auth);
  await assertIdentityFiles(auth);
}

/** @throws {UsersFileError} also when somebody is in the configuration as well: who of the two is it? */
async function usersOf(
  { usersFile, scramUsers }: Pick<AuthConfig, "usersFile" | "scramUsers">,
): Promise<Map<string, UserEntry>> {
  if (usersFile === undefined) return new Map();
  const users = await readUsersFile(usersFile);
  const both = scramUsers.find(({ username }) => users.has(username));
  if (both === undefined) return users;
  const name = JSON.stringify(both.username);
  throw new UsersFileError(`Cannot use the users file ${usersFile}: ${name} is under auth.scram.users as well`);
}

/** Lets everybody in. Nobody has proven the name that is given, so no rule goes by it. */
function openTo(policyOf: PolicyOf): Authenticator {
  return {
    authenticate: (credentials) => {
      return { username: credentials.username, policy: policyOf(knownClient(credentials, undefined)) };
    },
  };
}

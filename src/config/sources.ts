/** What tells who a client is. */
import type { SourceName } from "./config.ts";
import type { Reading } from "./reading.ts";

type Read = Pick<Reading, "values" | "lists">;

/** Which sources there are. */
export function sourcesOf({ values, lists }: Read): Readonly<Record<SourceName, boolean>> {
  return {
    certificate: values["auth.certificate_username"] !== "none",
    jwt: values["auth.jwt.key_file"] !== null || values["auth.jwt.jwks_url"] !== null,
    users: values["auth.users_file"] !== null || lists["auth.scram.users"].length > 0,
    external: values["auth.external.url"] !== null,
  };
}

/** Whether anything tells who a client is. A certificate does so on its own listener only, and is not counted. */
export function hasIdentities(read: Read): boolean {
  const { jwt, users, external } = sourcesOf(read);
  return jwt || users || external;
}

/** Whether clients have names, by whatever means. */
export function hasNames(read: Read): boolean {
  return Object.values(sourcesOf(read)).includes(true);
}

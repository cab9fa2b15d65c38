/** What clashes among access rules and those whom they are for. */
import { type Clash, hasIdentities } from "./identity_clash.ts";
import type { Reading } from "./reading.ts";

/** Whether clients have names, by whatever means. */
export function hasNames(reading: Pick<Reading, "values" | "lists">): boolean {
  return hasIdentities(reading) || reading.values["auth.certificate_username"] !== "none";
}

/** Users that may do nothing, or everything, by a default that nobody chose. Those that bring rules of their own, as a token can, are not
 * meant. */
export function* noRules({ values, lists }: Reading): Iterable<Clash> {
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
    message: () =>
      "there are users and nothing says what they may do: list rules under auth.acl or in auth.acl_file, or write " +
      "auth.acl_default: allow if every user may do everything",
  };
}

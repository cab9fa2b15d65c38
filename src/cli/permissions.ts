/** What the process may do, and what it gives up. */
import process from "node:process";

/** What a broker that has started no longer needs, whatever it was granted: a defect found later cannot use it. Its data is written by
 * the store's Worker, which has a permission of its own. */
const GIVEN_UP = ["run", "ffi", "env", "sys", "write"] as const;

/** For good. A library that looks for a variable later finds none, as with `-P`; it would be refused otherwise, and end the broker. */
export function giveUpPermissions(): void {
  for (const name of GIVEN_UP) Deno.permissions.revokeSync({ name });
  process.env = {};
}

/** What is left, in a line for people. */
export function heldPermissions(): string {
  const has = (name: "net" | "read" | "write" | "run" | "ffi" | "env" | "sys") =>
    Deno.permissions.querySync({ name }).state === "granted";
  const more = (["write", "run", "ffi", "env", "sys"] as const).filter(has);
  return [
    has("net") ? "use the network" : "use the network where it was granted",
    has("read") ? "read every file" : "read what it was granted",
    more.length === 0 ? "nothing else" : more.join(", "),
  ].join("; ");
}

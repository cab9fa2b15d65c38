/** The program `weir`. */
import { processHost } from "./src/cli/host.ts";
import { runProgram } from "./src/cli/program.ts";

/** What a broker that has started no longer needs, whatever it was granted: a defect found later cannot use it. */
function giveUpPermissions(): void {
  for (const name of ["run", "ffi", "env", "sys"] as const) {
    Deno.permissions.revokeSync({ name });
  }
}

if (import.meta.main) Deno.exit(await runProgram(Deno.args, processHost(giveUpPermissions)));

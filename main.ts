/** The program `weir`. */
import { processHost } from "./src/cli/host.ts";
import { giveUpPermissions } from "./src/cli/permissions.ts";
import { runProgram } from "./src/cli/program.ts";

if (import.meta.main) Deno.exit(await runProgram(Deno.args, processHost(giveUpPermissions)));

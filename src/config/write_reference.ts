/** `deno task docs`: writes docs/configuration.md and config/default.yaml from the schema. */
import { configurationPage, defaultFile } from "./reference.ts";

if (import.meta.main) {
  const root = new URL("../../", import.meta.url);
  for (const folder of ["docs/", "config/"]) Deno.mkdirSync(new URL(folder, root), { recursive: true });
  Deno.writeTextFileSync(new URL("docs/configuration.md", root), configurationPage());
  Deno.writeTextFileSync(new URL("config/default.yaml", root), defaultFile());
}

/** Why a file cannot be read, in words for people. A flag takes the place of the whole list that `deno.json` grants. */
export function whyUnreadable(file: string, error: unknown): string {
  if (error instanceof Deno.errors.NotFound) return "there is no such file";
  if (error instanceof Deno.errors.NotCapable) {
    return `Deno was not allowed to; grant it beside what deno.json does: --allow-read=config,data,src,${file}`;
  }
  if (error instanceof Deno.errors.PermissionDenied) return "this user may not read it";
  if (!(error instanceof Error)) return String(error);
  if (error instanceof Deno.errors.IsADirectory || /os error 21/.test(error.message)) return "it is a directory";
  return error.message;
}

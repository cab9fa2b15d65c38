/** Whether JSON of somebody else is a map of names: no list, no null, no plain value. */
export function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The version of Weir, as in deno.json; a test holds the two equal. */
export const VERSION = "0.1.0";

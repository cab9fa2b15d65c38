/** Collects garbage whenever a byte comes in, and says so; ends with the input. Needs `--expose-gc`. */
export async function untilEnd(): Promise<void> {
  const { gc } = globalThis as unknown as { gc: () => void };
  const byte = new Uint8Array(1);
  while (await Deno.stdin.read(byte) !== null) {
    gc();
    console.log();
  }
}

/** A disk that can be filled: a file system in memory, mounted for a test. */

/** A mounted file system of a few megabytes; `using` unmounts it. */
export class SmallDisk implements Disposable {
  readonly path: string = Deno.makeTempDirSync({ prefix: "weir-disk-" });

  /** Mounts one, or answers why that cannot be. */
  static mount(mebibytes: number): SmallDisk | string {
    const disk = new SmallDisk();
    const reason = run("mount", "-t", "tmpfs", "-o", `size=${mebibytes}m`, "weir-test", disk.path);
    if (reason === "") return disk;
    Deno.removeSync(disk.path);
    return reason;
  }

  /** Takes all space that is left, in a file of its own. */
  fill(): void {
    using file = Deno.openSync(`${this.path}/filler`, { create: true, append: true });
    for (let size = 1024 * 1024; size >= 4096;) {
      try {
        file.writeSync(new Uint8Array(size));
      } catch {
        size /= 2;
      }
    }
  }

  /** From now on nothing can be written; nobody may hold a file open to write it. */
  makeReadOnly(): void {
    const reason = run("mount", "-o", "remount,ro", this.path);
    if (reason !== "") throw new Error(`Cannot make ${this.path} read-only: ${reason}`);
  }

  /** Gives it back. */
  empty(): void {
    Deno.removeSync(`${this.path}/filler`);
  }

  [Symbol.dispose](): void {
    const reason = run("umount", this.path);
    if (reason !== "") throw new Error(`Cannot unmount ${this.path}: ${reason}`);
    Deno.removeSync(this.path);
  }
}

/** A mounted disk; fails where {@link requiresMount} skips. */
export function mounted(mebibytes: number): SmallDisk {
  const disk = SmallDisk.mount(mebibytes);
  if (typeof disk === "string") throw new Error(`Cannot mount a disk: ${disk}`);
  return disk;
}

/** The test, skipped with the reason in its name where no file system can be mounted. */
export function requiresMount(test: Deno.TestDefinition): Deno.TestDefinition {
  const disk = SmallDisk.mount(1);
  if (typeof disk === "string") return { ...test, name: `${test.name} (skipped: cannot mount: ${disk})`, ignore: true };
  disk[Symbol.dispose]();
  return test;
}

/** Empty when the command succeeded. */
function run(command: string, ...args: string[]): string {
  try {
    const { success, stderr } = new Deno.Command(command, { args, stdout: "null", stderr: "piped" }).outputSync();
    return success ? "" : new TextDecoder().decode(stderr).split("\n")[0] || "failed";
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

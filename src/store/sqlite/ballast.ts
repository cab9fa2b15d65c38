/** Enough for what ends, shrinks or was under way when the disk filled up. */
const BALLAST_BYTES = 16 * 1024 * 1024;

/** A file that only takes space, beside the database: thrown off when the disk is full, so that the broker can go on with what it has
 * promised, and taken on again when somebody has made room. */
export class Ballast {
  readonly #path: string;
  #isOff = true;

  private constructor(path: string) {
    this.#path = path;
  }

  /** The ballast of a database; written unless it is there, and off from the start when there is no room for it. */
  static beside(databasePath: string): Ballast {
    const ballast = new Ballast(`${databasePath}.ballast`);
    ballast.takeOn();
    return ballast;
  }

  /** Whether it has been thrown off: the disk is full, or nearly. */
  get isOff(): boolean {
    return this.#isOff;
  }

  /** Makes room. */
  throwOff(): void {
    this.#isOff = true;
    Deno.truncateSync(this.#path, 0);
  }

  /** Takes the space again when it is there; otherwise it stays off. */
  takeOn(): void {
    if (!this.#isOff) return;
    try {
      const file = Deno.openSync(this.#path, { create: true, write: true, mode: 0o600 });
      try {
        this.#fill(file);
      } finally {
        file.close();
      }
      this.#isOff = false;
    } catch {
      // no room
    }
  }

  /** Writes what is missing, or nothing: what there is goes back to the database when it does not suffice. */
  #fill(file: Deno.FsFile): void {
    const block = new Uint8Array(1024 * 1024); // written, not just promised: a hole in a file takes no space
    for (let i = 0; i < block.length; i += 65_536) crypto.getRandomValues(block.subarray(i, i + 65_536)); // nor do zeros, compressed
    try {
      for (let size = file.statSync().size; size < BALLAST_BYTES; size += block.length) {
        file.seekSync(size, Deno.SeekMode.Start);
        for (let sent = 0; sent < block.length;) sent += file.writeSync(block.subarray(sent));
      }
    } catch (error) {
      file.truncateSync(0);
      throw error;
    }
  }
}

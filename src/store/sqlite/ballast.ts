import { fileBytes } from "./database_file.ts";

/** Enough for what ends, shrinks or was under way when the disk filled up. */
export const BALLAST_BYTES = 16 * 1024 * 1024;

/** A file that only takes space, beside the database: thrown off when the disk is full, so that the broker can go on with what it has
 * promised, and taken on again when somebody has made room. */
export class Ballast {
  readonly #path: string;
  readonly #bytes: number;
  #isOff = true;

  private constructor(path: string, bytes: number) {
    this.#path = path;
    this.#bytes = bytes;
  }

  /** The ballast of a database; written unless it is there, and off from the start when there is no room for it. */
  static beside(databasePath: string, bytes: number): Ballast {
    const ballast = new Ballast(`${databasePath}.ballast`, bytes);
    ballast.takeOn();
    return ballast;
  }

  /** Throws off what an earlier broker took on; false when there is none. */
  static throwOffBeside(databasePath: string): boolean {
    const path = `${databasePath}.ballast`;
    if (fileBytes(path) === 0) return false;
    Deno.truncateSync(path, 0);
    return true;
  }

  /** Whether it has been thrown off: the disk is full, or nearly. */
  get isOff(): boolean {
    return this.#isOff;
  }

  /** Whether the disk or the quota has no room for as little as 256 KiB more; found out by trying. Not so when it fails otherwise. */
  lacksRoom(): boolean {
    let file: Deno.FsFile | undefined;
    try {
      file = Deno.openSync(this.#path, { create: true, write: true, mode: 0o600 });
      const size = file.statSync().size;
      try {
        append(file, randomBlock().subarray(0, 256 * 1024));
        return false;
      } finally {
        file.truncateSync(size);
      }
    } catch (error) {
      return codeOf(error) === "ENOSPC" || codeOf(error) === "EDQUOT";
    } finally {
      file?.close();
    }
  }

  /** Makes room. */
  throwOff(): void {
    this.#isOff = true;
    Deno.truncateSync(this.#path, 0);
  }

  /** Takes the space again when it is there; otherwise it stays off.
   * @throws what the system says when it is not the room that is missing: a disk that fails, or a file that is not ours */
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
    } catch (error) {
      if (!isNoRoom(error)) throw error;
    }
  }

  /** Writes what is missing, or nothing: what there is goes back to the database when it does not suffice. */
  #fill(file: Deno.FsFile): void {
    try {
      for (let size = file.statSync().size; size < this.#bytes;) {
        const block = randomBlock().subarray(0, this.#bytes - size);
        append(file, block);
        size += block.length;
      }
    } catch (error) {
      file.truncateSync(0);
      throw error;
    }
  }
}

/** The disk is full, a quota is used up, or files may not be that large. */
function isNoRoom(error: unknown): boolean {
  return ["ENOSPC", "EDQUOT", "EFBIG"].includes(codeOf(error));
}

/** The system's name of the error; the runtime knows none for a quota. */
function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return "";
  if ("code" in error && error.code !== undefined) return String(error.code);
  return /quota exceeded/i.test(error.message) ? "EDQUOT" : "";
}

/** Writes all of it behind what the file has. */
function append(file: Deno.FsFile, bytes: Uint8Array): void {
  file.seekSync(0, Deno.SeekMode.End);
  for (let sent = 0; sent < bytes.length;) sent += file.writeSync(bytes.subarray(sent));
}

/** Bytes that take the space they have: a hole in a file takes none, and zeros little where the file system compresses. */
function randomBlock(): Uint8Array<ArrayBuffer> {
  const block = new Uint8Array(1024 * 1024);
  for (let at = 0; at < block.length; at += 65_536) crypto.getRandomValues(block.subarray(at, at + 65_536));
  return block;
}

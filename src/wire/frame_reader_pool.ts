import { FrameReader } from "./frame_reader.ts";
import { PACKET_BYTES_MAX } from "./packet.ts";

const KEPT_MAX = 64;

/** Frame readers that are between two packets, for whoever gets bytes next: an idle connection needs none. */
export class FrameReaderPool {
  readonly #free: FrameReader[] = [];

  /** A reader that holds nothing; `packetBytesMax` is to be set. */
  take(): FrameReader {
    return this.#free.pop() ?? new FrameReader(PACKET_BYTES_MAX);
  }

  /** Takes a reader back that has read all it was handed; false when it has not: it stays with its connection. */
  give(reader: FrameReader): boolean {
    if (!reader.isEmpty) return false;
    if (this.#free.length < KEPT_MAX) this.#free.push(reader);
    return true;
  }
}

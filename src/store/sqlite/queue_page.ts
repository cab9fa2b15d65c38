import type { QueuePageRequest } from "../../core/queue/ports.ts";
import { type QueueRecord, recordBytes } from "../../core/queue/record.ts";
import { unpackBlock } from "./queue_blocks.ts";

/** Blocks that hold a page, as they lie in the database: two buffers that cross from the Worker at no cost, however many records they
 * hold. */
export interface PackedQueuePage {
  /** The first offset and the length of each block. */
  readonly heads: Float64Array<ArrayBuffer>;
  /** The blocks, one behind the other. */
  readonly data: Uint8Array<ArrayBuffer>;
  /** What lies below has been trimmed. */
  readonly first: number;
}

/** The records of a page. Their properties and payloads are views on one buffer. */
export function unpackQueuePage({ heads, data, first }: PackedQueuePage, request: QueuePageRequest): QueueRecord[] {
  const { to, limit, bytesMax } = request;
  const from = Math.max(request.from, first);
  const page: QueueRecord[] = [];
  let bytes = 0;
  let end = 0;
  for (let i = 0; i < heads.length; i += 2) {
    for (const record of unpackBlock(heads[i], data.subarray(end, end += heads[i + 1]))) {
      if (record.offset < from) continue;
      if (record.offset >= to || page.length === limit) return page;
      bytes += recordBytes(record);
      if (page.length > 0 && bytes > bytesMax) return page;
      page.push(record);
    }
  }
  return page;
}

import { type QueueEntry, type QueueRecord, recordBytes } from "../../core/queue/record.ts";
import { ByteReader } from "./byte_reader.ts";
import { ByteWriter } from "./byte_writer.ts";

/** Records that one commit brings next to each other in a log: one row of the database, and one object on the way to the Worker. */
export interface QueueBlock {
  readonly kind: "queue-block";
  readonly logId: number;
  /** At most the offset of the first record, and above every one before it: the others count from here. */
  readonly first: number;
  /** The offset of the last record. */
  readonly last: number;
  readonly count: number;
  /** As limits and retention count them. */
  readonly bytes: number;
  readonly firstAt: number;
  readonly lastAt: number;
  /** The records, packed. */
  readonly data: Uint8Array<ArrayBuffer>;
}

/** A row of `queue_blocks`, with what its id says of the first offset. */
export interface BlockRow {
  readonly first: number;
  readonly last: number;
  readonly count: number;
  readonly bytes: number;
  readonly data: Uint8Array<ArrayBuffer>;
}

/** A block is closed at so many records or bytes: reading a page reads at most one too many, compaction writes one anew for a record. */
const BLOCK_RECORDS = 256;
const BLOCK_BYTES = 16 * 1024;

const SAME_TOPIC = 1;
const HAS_SOURCE = 2;
const HAS_KEY = 4;
const HAS_MESSAGE_KEY = 8;
const EXPIRES = 16;
const HAS_GROUP = 32;
const HAS_ORIGIN = 64;
const SAME_TIME = 128;

const writer = new ByteWriter();

/** Packs records of one log, which are in order. */
export function packBlocks(logId: number, records: readonly QueueRecord[]): QueueBlock[] {
  const blocks: QueueBlock[] = [];
  for (let from = 0; from < records.length;) {
    let to = from;
    do write(records[to], records[to - 1 < from ? -1 : to - 1], records[from].offset); while (
      ++to < records.length && to - from < BLOCK_RECORDS && writer.length < BLOCK_BYTES
    );
    blocks.push(blockOf(logId, records.slice(from, to), records[from].offset));
    from = to;
  }
  return blocks;
}

/** The rest of a block, of which records have been taken out. */
export function repacked(logId: number, first: number, records: readonly QueueRecord[]): QueueBlock {
  records.forEach((record, i) => write(record, records[i - 1], first));
  return blockOf(logId, records, first);
}

/** The records of a block whose first offset is `first`. Their properties and payloads are views on `data`. */
export function* unpackBlock(first: number, data: Uint8Array<ArrayBuffer>): Generator<QueueRecord> {
  const reader = new ByteReader(data);
  let before: QueueRecord | undefined;
  while (!reader.isAtEnd) yield before = read(reader, before, first);
}

/** What waits outside of a log until it is due. */
export function packEntry(entry: QueueEntry): Uint8Array<ArrayBuffer> {
  write({ ...entry, offset: 0, appendedAt: 0 }, undefined, 0);
  return writer.take();
}

/** The entry again. */
export function unpackEntry(data: Uint8Array<ArrayBuffer>): QueueEntry {
  const { offset: _offset, appendedAt: _appendedAt, ...entry } = read(new ByteReader(data), undefined, 0);
  return entry;
}

function blockOf(logId: number, records: readonly QueueRecord[], first: number): QueueBlock {
  return {
    kind: "queue-block",
    logId,
    first,
    last: records[records.length - 1].offset,
    count: records.length,
    bytes: records.reduce((sum, record) => sum + recordBytes(record), 0),
    firstAt: records[0].appendedAt,
    lastAt: records[records.length - 1].appendedAt,
    data: writer.take(),
  };
}

function write(record: QueueRecord, before: QueueRecord | undefined, first: number): void {
  const { topic, sourceTopic, key, messageKey, expiresAt, group, origin, appendedAt } = record;
  let flags = before?.topic === topic ? SAME_TOPIC : 0;
  if (sourceTopic !== "") flags |= HAS_SOURCE;
  if (key !== "") flags |= HAS_KEY;
  if (messageKey !== "") flags |= HAS_MESSAGE_KEY;
  if (expiresAt !== Infinity) flags |= EXPIRES;
  if (group !== "") flags |= HAS_GROUP;
  if (origin !== undefined) flags |= HAS_ORIGIN;
  if (before?.appendedAt === appendedAt) flags |= SAME_TIME;
  writer.byte(flags);
  writer.byte(record.priority);
  writer.varint(record.offset - first);
  if ((flags & SAME_TIME) === 0) writer.float(appendedAt);
  if ((flags & EXPIRES) !== 0) writer.float(expiresAt);
  if ((flags & SAME_TOPIC) === 0) writer.text(topic);
  if ((flags & HAS_SOURCE) !== 0) writer.text(sourceTopic);
  if ((flags & HAS_KEY) !== 0) writer.text(key);
  if ((flags & HAS_MESSAGE_KEY) !== 0) writer.text(messageKey);
  if ((flags & HAS_GROUP) !== 0) writer.text(group);
  if ((flags & HAS_ORIGIN) !== 0) writer.text(JSON.stringify(origin));
  writer.bytes(record.properties);
  writer.bytes(record.payload);
}

function read(reader: ByteReader, before: QueueRecord | undefined, first: number): QueueRecord {
  const flags = reader.byte();
  return {
    priority: reader.byte(),
    offset: first + reader.varint(),
    appendedAt: (flags & SAME_TIME) !== 0 ? before!.appendedAt : reader.float(),
    expiresAt: (flags & EXPIRES) !== 0 ? reader.float() : Infinity,
    topic: (flags & SAME_TOPIC) !== 0 ? before!.topic : reader.text(),
    sourceTopic: (flags & HAS_SOURCE) !== 0 ? reader.text() : "",
    key: (flags & HAS_KEY) !== 0 ? reader.text() : "",
    messageKey: (flags & HAS_MESSAGE_KEY) !== 0 ? reader.text() : "",
    group: (flags & HAS_GROUP) !== 0 ? reader.text() : "",
    origin: (flags & HAS_ORIGIN) !== 0 ? JSON.parse(reader.text()) : undefined,
    properties: reader.bytes(),
    payload: reader.bytes(),
  };
}

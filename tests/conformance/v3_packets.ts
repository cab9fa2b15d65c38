/** MQTT 3.1.1 packets made byte by byte, for what a well-behaved library would not send, and what the tests of v3 share. */

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import type { IConnectPacket, IPublishPacket } from "mqtt-packet";
import type { TestBroker } from "../support/broker.ts";
import type { ConnectOptions, TestClient } from "../support/client.ts";

/** The bytes of a packet's part. */
export type Bytes = readonly number[];

/** Text or bytes behind their length in two bytes. */
export function field(value: string | Bytes): number[] {
  const bytes = typeof value === "string" ? [...new TextEncoder().encode(value)] : value;
  return [...uint16(bytes.length), ...bytes];
}

export function uint16(value: number): number[] {
  return [value >> 8, value & 0xff];
}

/** A packet with a right remaining length. */
export function packet(first: number, ...parts: Bytes[]): Uint8Array {
  const body = parts.flat();
  const length: number[] = [];
  for (let rest = body.length; length.length === 0 || rest > 0; rest >>= 7) {
    length.push(rest > 127 ? (rest & 127) | 128 : rest);
  }
  return Uint8Array.from([first, ...length, ...body]);
}

/** What a CONNECT made by hand holds; the defaults are one that is accepted, given a payload. */
export interface RawConnect {
  readonly name?: string | Bytes;
  readonly level?: number;
  readonly flags?: number;
  readonly keepAlive?: number;
}

export const Flag = {
  reserved: 1,
  clean: 2,
  will: 4,
  willQos: 8,
  willRetain: 32,
  password: 64,
  username: 128,
} as const;

/** A CONNECT with these payload fields. */
export function connectBytes(header: RawConnect, ...payload: Bytes[]): Uint8Array {
  const { name = "MQTT", level = 4, flags = Flag.clean, keepAlive = 0 } = header;
  return packet(0x10, field(name), [level, flags], uint16(keepAlive), ...payload);
}

/** A PUBLISH; `first` holds its flags, the packet id is left out when undefined. */
export function publishBytes(
  first: number,
  topic: string | Bytes,
  rest: { packetId?: number; payload?: string } = {},
): Uint8Array {
  const { packetId, payload = "" } = rest;
  const id = packetId === undefined ? [] : uint16(packetId);
  return packet(first, field(topic), id, [...new TextEncoder().encode(payload)]);
}

/** A will as {@link TestClient.connect} takes it. */
export function will(topic: string, payload: string, flags: { qos?: 0 | 1 | 2; retain?: boolean } = {}) {
  const { qos = 0, retain = false } = flags;
  return { topic, payload: Buffer.from(payload), qos, retain } as NonNullable<IConnectPacket["will"]>;
}

/** A 3.1.1 client that has been accepted. */
export function join(broker: TestBroker, options: ConnectOptions = {}): Promise<TestClient> {
  return broker.connect({ version: 4, ...options });
}

/** Sends CONNECT as it is and shows that the connection ends with nothing but `answer`. */
export async function assertConnectAnswered(broker: TestBroker, bytes: Uint8Array, answer: Bytes): Promise<void> {
  const client = await broker.open(4);
  await client.sendBytes(bytes);
  while (await client.next() !== undefined);
  assert.deepEqual(client.bytes, answer);
  client.close();
}

/** A CONNECT that breaks the rules: the connection is closed and no CONNACK is sent. */
export function assertConnectRefused(broker: TestBroker, bytes: Uint8Array): Promise<void> {
  return assertConnectAnswered(broker, bytes, []);
}

/** Shows that a CONNECT is accepted: the counterpart of one that is not. */
export async function assertConnectAccepted(broker: TestBroker, bytes: Uint8Array): Promise<TestClient> {
  const client = await broker.open(4);
  await client.sendBytes(bytes);
  const connack = await client.expect("connack");
  assert.equal(connack.returnCode, 0);
  await client.expectNothing();
  return client;
}

/** A client that breaks the rules once it is connected: the connection is closed without a word. */
export async function assertViolation(broker: TestBroker, bytes: Uint8Array): Promise<void> {
  const client = await join(broker);
  await client.sendBytes(bytes);
  assert.equal(await client.next(), undefined, `not closed after ${Buffer.from(bytes).toString("hex")}`);
  assert.equal(client.bytes.length, 4, "something was sent beside CONNACK");
  client.close();
}

/** The first byte of each packet received so far. */
export function headersOf(client: TestClient): number[] {
  return framesOf(client).map(([first]) => first!);
}

/** The packets received so far, as their bytes. */
export function framesOf(client: TestClient): number[][] {
  const { bytes } = client;
  const frames: number[][] = [];
  for (let at = 0; at < bytes.length;) {
    let length = 0;
    let start = at + 1;
    for (let shift = 0;; shift += 7) {
      const byte = bytes[start++]!;
      length |= (byte & 127) << shift;
      if (byte < 128) break;
    }
    frames.push(bytes.slice(at, start + length));
    at = start + length;
  }
  return frames;
}

/** Receives `count` messages and completes the handshake of each, in whatever order the broker sends PUBLISH and PUBREL. */
export async function receiveMessages(client: TestClient, count: number): Promise<IPublishPacket[]> {
  const messages: IPublishPacket[] = [];
  let unreleased = 0;
  while (messages.length < count || unreleased > 0) {
    const packet = await client.next();
    if (packet?.cmd === "pubrel") {
      await client.send({ cmd: "pubcomp", messageId: packet.messageId });
      unreleased--;
      continue;
    }
    assert.ok(packet?.cmd === "publish", `expected a message, got ${JSON.stringify(packet)}`);
    messages.push(packet);
    if (packet.qos === 1) await client.send({ cmd: "puback", messageId: packet.messageId });
    if (packet.qos !== 2) continue;
    await client.send({ cmd: "pubrec", messageId: packet.messageId });
    unreleased++;
  }
  return messages;
}

/** As {@link receiveMessages}; answers their payloads. */
export async function receivePayloads(client: TestClient, count: number): Promise<string[]> {
  return (await receiveMessages(client, count)).map(({ payload }) => payload.toString());
}

/** What a new subscriber to `filter` finds retained, as `topic=payload`. */
export async function retainedOf(broker: TestBroker, filter: string): Promise<string[]> {
  const reader = await join(broker);
  await reader.subscribe(filter, { qos: 2 });
  await reader.send({ cmd: "pingreq" });
  const found: string[] = [];
  for (let next = await reader.next(); next?.cmd !== "pingresp"; next = await reader.next()) {
    assert.equal(next?.cmd, "publish");
    if (next?.cmd === "publish") found.push(`${next.topic}=${next.payload.toString()}`);
  }
  await reader.disconnect();
  return found.sort();
}

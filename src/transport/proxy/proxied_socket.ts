import type { Socket } from "node:net";
import { HEADER_BYTES_MAX, type ProxySource, readProxyHeader } from "./proxy_header.ts";

/** Reads the PROXY header at the start of a socket, and leaves what is behind it to whoever reads next. Undefined when the connection's own
 * addresses count.
 * @throws {RangeError} when there is no such header, or the connection ended before it had come */
export function readSocketHeader(socket: Socket): Promise<ProxySource | undefined> {
  const { promise, resolve, reject } = Promise.withResolvers<ProxySource | undefined>();
  let head = new Uint8Array(0);
  const onChunk = (chunk: Uint8Array) => {
    const before = head.length;
    head = joined(head, chunk.subarray(0, HEADER_BYTES_MAX - before));
    const header = readProxyHeader(head);
    if (header === undefined) return;
    unhear();
    const rest = chunk.subarray(header.bytes - before);
    if (rest.length > 0) socket.unshift(rest);
    resolve(header.source);
  };
  const onData = (chunk: Uint8Array) => {
    try {
      onChunk(chunk);
    } catch (error) {
      unhear();
      reject(error);
    }
  };
  const onEnd = () => reject(new RangeError("it ended before its PROXY header had come"));
  const unhear = () => socket.off("data", onData).off("end", onEnd).off("close", onEnd).pause();
  socket.on("data", onData).once("end", onEnd).once("close", onEnd);
  return promise;
}

function joined(head: Uint8Array, more: Uint8Array): Uint8Array<ArrayBuffer> {
  const both = new Uint8Array(head.length + more.length);
  both.set(head);
  both.set(more, head.length);
  return both;
}

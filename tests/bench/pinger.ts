/// <reference lib="deno.worker" />
/** Sends PINGREQ a thousand times a second, in a thread of its own: first it is told the port and answers when it is connected, then it
 * is asked and answers for how many milliseconds the longest had to wait. */
import { connect } from "../hostile/bytes.ts";
import { RawPeer } from "../hostile/raw_peer.ts";

const PINGREQ = Uint8Array.of(0xc0, 0);

const sentAt: number[] = [];
let longest = 0;

self.onmessage = async ({ data }: MessageEvent<number | "tell">) => {
  if (data === "tell") return self.postMessage(Math.max(longest, performance.now() - (sentAt[0] ?? Infinity)));
  const peer = await RawPeer.connect(data, connect());
  self.postMessage(0);
  setInterval(() => {
    sentAt.push(performance.now());
    void peer.send(PINGREQ);
  }, 1);
  for (;;) {
    await peer.packet();
    longest = Math.max(longest, performance.now() - sentAt.shift()!);
  }
};

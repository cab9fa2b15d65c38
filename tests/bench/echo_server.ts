/** `echo_server.ts own|ws`: a WebSocket server that sends back what it gets, until its input ends: by our channel, or by the package ws. */
import type { AddressInfo } from "node:net";
// @ts-types="npm:@types/ws@^8.18.1"
import { WebSocketServer } from "ws";
import type { ByteChannel } from "../../src/transport/byte_channel.ts";
import { ReadRounds } from "../../src/transport/read_rounds.ts";
import { listenTcp } from "../../src/transport/tcp.ts";
import { upgradeRules } from "../../src/transport/websocket/upgrade.ts";
import { WebSocketChannel } from "../../src/transport/websocket/websocket_channel.ts";
import { untilEnd } from "./until_end.ts";

/** Larger messages are refused by ws; by ours what is read is gone. */
const MESSAGE_BYTES_MAX = 256 * 1024 ** 2;

function serveOwn(): number {
  const listener = listenTcp({ hostname: "127.0.0.1", port: 0, noDelay: true, rounds: new ReadRounds() });
  const rules = upgradeRules({}, { isLoopback: true });
  const serve = async () => {
    for await (const { channel } of listener.connections) {
      echo(new WebSocketChannel(channel, { rules, onRefused: () => {} }));
    }
  };
  void serve();
  return listener.port;
}

/** One write at a time, from a buffer of its own, as the broker does it. */
function echo(channel: ByteChannel): void {
  let onWritten = () => {};
  channel.start({
    onChunk: (chunk) =>
      new Promise((resolve) => {
        onWritten = resolve;
        channel.write(chunk.slice());
      }),
    onEnd: () => channel.close(),
    onWritten: () => onWritten(),
  });
}

async function servePackage(): Promise<number> {
  const server = new WebSocketServer({
    host: "127.0.0.1",
    port: 0,
    path: "/mqtt",
    perMessageDeflate: false,
    maxPayload: MESSAGE_BYTES_MAX,
    handleProtocols: () => "mqtt",
  });
  server.on("connection", (socket) => {
    socket.on("message", (data) => socket.send(data));
    socket.on("error", () => {});
  });
  await new Promise<void>((resolve) => server.once("listening", resolve));
  return (server.address() as AddressInfo).port;
}

const port = Deno.args[0] === "ws" ? await servePackage() : serveOwn();
console.log(JSON.stringify({ port }));
await untilEnd();
Deno.exit();

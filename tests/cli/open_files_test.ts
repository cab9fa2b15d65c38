import { connect, type Socket } from "node:net";
import assert from "node:assert/strict";
import { Program } from "../support/program.ts";

const MAIN = new URL("../../main.ts", import.meta.url).pathname;

Deno.test("a broker without room for another connection says so in a line, and goes on when there is room", async () => {
  const run = `${Deno.execPath()} run --quiet -A ${MAIN} --addr 127.0.0.1:0 2>&1`;
  await using broker = new Program("sh", ["-c", `ulimit -n 48; exec ${run}`], { WEIR_STORAGE_TYPE: "memory" });
  const port = Number(/:(\d+)$/.exec(await broker.line(/^ {2}tcp/))![1]);
  await broker.line(/Ctrl-C stops it/);
  const sockets: Socket[] = [];
  for (let i = 0; i < 64; i++) {
    sockets.push(connect(port, "127.0.0.1").on("error", () => {}));
  }
  const line = await broker.line(/cannot accept/);
  assert.match(line, /weir: listener tcp cannot accept connections: "Too many open files \(os error 24\)"$/);
  for (const socket of sockets) socket.destroy();
  const late = connect(port, "127.0.0.1");
  late.write("not MQTT");
  await broker.line(/closed: protocol-error, "This is not MQTT"$/);
  late.destroy();
});

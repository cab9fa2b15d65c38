import assert from "node:assert/strict";
import mqttPacket from "mqtt-packet";
import { WeirBroker } from "../../mod.ts";
import { inTime } from "../embedding/waiting.ts";

const CHUNK_PINGS = 1_024;
const PINGS = new Uint8Array(2 * CHUNK_PINGS).map((_, i) => i % 2 === 0 ? 0xc0 : 0);
const CHUNKS_MAX = 10_000;

Deno.test("a client that does not take the answers to what it sends is not read on until it does", async () => {
  await using broker = await WeirBroker.start({ sysIntervalMs: 0 });
  const taking = Promise.withResolvers<void>();
  const stalled = Promise.withResolvers<void>();
  const answered = Promise.withResolvers<void>();
  let chunks = 0;
  let answers = 0;
  const readable = new ReadableStream<Uint8Array>({
    pull(controller) {
      clearTimeout(quiet);
      quiet = setTimeout(stalled.resolve, 500);
      if (chunks++ === 0) return controller.enqueue(connectBytes());
      if (chunks <= CHUNKS_MAX) controller.enqueue(PINGS.slice());
    },
  }, { highWaterMark: 0 });
  let quiet: ReturnType<typeof setTimeout>;
  const writable = new WritableStream<Uint8Array>({
    async write(bytes) {
      if (bytes[0] === 0x20) return;
      await taking.promise;
      answers += bytes.length / 2;
      if (answers === CHUNK_PINGS * (CHUNKS_MAX - 1)) answered.resolve();
    },
  });
  const served = broker.accept({ readable, writable });
  await stalled.promise;
  assert.ok(chunks * CHUNK_PINGS * 2 < 1024 * 1024, `${chunks} chunks were read of a client that takes nothing`);
  taking.resolve();
  await inTime(answered.promise, "all answers", 20_000);
  clearTimeout(quiet!);
  await broker.stop();
  await served;
});

function connectBytes(): Uint8Array {
  const clientId = "deaf";
  return mqttPacket.generate({
    cmd: "connect",
    protocolId: "MQTT",
    protocolVersion: 4,
    clientId,
    clean: true,
    keepalive: 0,
  });
}

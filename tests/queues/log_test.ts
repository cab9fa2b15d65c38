import assert from "node:assert/strict";
import { configureSync, getLogger, resetSync } from "@logtape/logtape";
import { logHappenings } from "../../src/server/happening_log.ts";
import { queueBroker } from "./queue_client.ts";

Deno.test("the log tells which queues are made, and sums up dead letters and what is dropped", async () => {
  const lines: string[] = [];
  configureSync({
    sinks: { lines: ({ level, message }) => void lines.push(`${level} ${message.join("")}`) },
    loggers: [{ category: "weir", sinks: ["lines"], lowestLevel: "info" }, {
      category: ["logtape", "meta"],
      sinks: [],
    }],
  });
  try {
    await using broker = await queueBroker({ name: "other" });
    const end = logHappenings(broker.broker);
    const { queues } = broker.broker;
    await queues.create({ name: "tasks", partitions: 1, topics: ["a"], limits: { messages: 2 } });
    for (const payload of ["1", "2", "3"]) await broker.broker.publish({ topic: "a", payload, qos: 1 });
    using reader = queues.consume("tasks", { group: "g" });
    for (let i = 0; i < 2; i++) await (await reader.next()).value!.reject("no");
    await queues.delete("tasks");
    end();
    getLogger(["weir"]).info("end");
  } finally {
    resetSync();
  }
  assert.deepEqual(lines.filter((line) => /queue|end$/.test(line)), [
    "info the queue tasks was made",
    "warning 1 message not copied into the queue tasks: queue-full; the last one on $queue/tasks/a",
    "info the queue tasks/$dlq was made",
    "warning 1 message of the queue tasks became dead letters of group g; the last one, tasks:0:0, was rejected",
    "info the queue tasks/$dlq was deleted",
    "info the queue tasks was deleted",
    "warning 1 message of the queue tasks became dead letters of group g; the last one, tasks:0:1, was rejected",
    "info end",
  ]);
});

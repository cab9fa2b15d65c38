import { configureSync, resetSync } from "@logtape/logtape";
import assert from "node:assert/strict";
import { getHeapStatistics } from "node:v8";
import { loadConfig } from "../../src/config/load.ts";
import { type RunningServer, serve } from "../../src/server/serve.ts";
import { MemoryStore } from "../../src/store/memory.ts";
import { Folder } from "../store/folder.ts";

/** Starts a broker whose store cannot be closed, and answers what the log says meanwhile. */
async function logOf(start: () => Promise<unknown>): Promise<string[]> {
  const lines: string[] = [];
  const { close } = MemoryStore.prototype;
  configureSync({
    sinks: { lines: ({ level, message }) => void lines.push(`${level} ${message.map(String).join("")}`) },
    loggers: [{ category: "weir", sinks: ["lines"], lowestLevel: "warning" }, {
      category: ["logtape", "meta"],
      sinks: [],
    }],
  });
  MemoryStore.prototype.close = () => Promise.reject(new Error("the disk has gone"));
  try {
    await start();
    return lines;
  } finally {
    MemoryStore.prototype.close = close;
    resetSync();
  }
}

function started(env: Record<string, string>, yaml = ""): Promise<RunningServer> {
  const readFile = () => new TextEncoder().encode(yaml);
  const memory = { WEIR_STORAGE_TYPE: "memory", WEIR_SERVER_TCP_ADDR: "127.0.0.1:0" };
  return serve(loadConfig({ env: { ...memory, ...env }, path: "weir.yaml", readFile }));
}

Deno.test("a start that fails tells why, also where the store that it had opened cannot be closed", async () => {
  using folder = new Folder();
  const { load } = MemoryStore.prototype;
  const none = folder.file("none");
  const tls = `{ name: tls, addr: "127.0.0.1:0", cert_file: ${none}, key_file: ${none} }`;
  const starts: [start: () => Promise<unknown>, why: RegExp][] = [
    [
      () => started({ WEIR_AUTH_USERS_FILE: none, WEIR_AUTH_ACL_DEFAULT: "allow" }),
      /Cannot read the users file \S+none/,
    ],
    [() => {
      MemoryStore.prototype.load = () => {
        MemoryStore.prototype.load = load;
        throw new Error("nothing can be loaded");
      };
      return started({});
    }, /nothing can be loaded/],
    [() => started({}, `server: { listeners: [${tls}] }\n`), /Cannot read cert_file \S+none/],
  ];
  for (const [start, message] of starts) {
    const lines = await logOf(() => assert.rejects(start(), { message }));
    const told = lines.filter((line) => /^error .*(the disk has gone|could not be closed)/.test(line));
    assert.equal(told.length, 1, lines.join("\n"));
  }
});

Deno.test("the start says how much memory storage may keep", async () => {
  const half = Math.floor(getHeapStatistics().heap_size_limit / 2 / 1024 ** 2);
  const limits = { "64MiB": ", 64 MiB at most", auto: `, ${half} MiB at most`, unlimited: "" };
  for (const [limit, most] of Object.entries(limits)) {
    const running = await started({ WEIR_STORAGE_MEMORY_LIMIT: limit });
    await running.stop();
    assert.equal(running.dataDescription, `in memory only${most}, lost at stop`);
  }
});

/** docs/queues.md and config/queues.yaml do what they say: every command of the page runs, in order, on other ports and in memory. */
import assert from "node:assert/strict";
import { Program } from "../store/process.ts";
import { requires } from "../support/skip.ts";

const ROOT = new URL("../../", import.meta.url).pathname;
const PAGE = Deno.readTextFileSync(`${ROOT}docs/queues.md`);

/** What each command of the page writes, in order. */
const OUTPUT: readonly RegExp[] = [
  /^$/,
  /^first job$/,
  /^$/,
  /^second job$/,
  /^$/,
  /^\$queue\/tasks\/image\/large .*message-id:tasks:\d+:\d+.* resize me$/,
  /^$/,
  /^$/,
  /^paid\nshipped$/,
  /^$/,
  /^in a moment$/,
  /^$/,
  /^it happened$/,
  // over HTTP
  /^\{"name":"jobs","definition":\{"type":"classic","partitions":1,/,
  /^\{"status":"ok"\}$/,
  /^\{"messages":\[\{"message_id":"jobs:0:0","topic":"\$queue\/jobs","payload":"by call"/,
  /^\{"settled":1,"not_held":\[\]\}$/,
  /^\{"status":"ok"\}$/,
  /"message_id":"jobs:0:1".*"payload":"poison".*"delivery_count":1/,
  /^\{"settled":1,"not_held":\[\]\}$/,
  /"message_id":"jobs\/\$dlq:0:0".*"payload":"poison".*"reason":"cannot be read","message_id":"jobs:0:1"/,
  /^\{"replayed":1\}$/,
  /"message_id":"jobs:0:2".*"payload":"poison"/,
  /^\{"settled":1,"not_held":\[\]\}$/,
  // weir queue
  /^QUEUE .*\nevents +stream +64 .*\njobs +classic +1 +1 .*workers \(1\)\n/,
  /^Made the queue mails\.$/,
  /^Changed the queue mails\.$/,
  /^mails: 0 messages.*\slimits\.max_depth: 50000\n.*\svisibility_timeout: 2m\n.*No groups\.$/s,
  /^Took 0 messages away\.$/,
  /^Deleted the queue mails\.$/,
  /^No dead letters\.$/,
  /^Sent 0 dead letters back\.$/,
  /^Deleted 0 dead letters\.$/,
];

function commands(): string[] {
  const blocks = [...PAGE.matchAll(/```sh\n([\s\S]*?)```/g)].map(([, text]) => text);
  return blocks.join("").split("\n").filter((line) => line !== "");
}

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

Deno.test(requires(["curl", "mosquitto_pub", "mosquitto_sub"], {
  name: "the page on durable queues: its commands do what it says",
  async fn() {
    const [start, ...rest] = commands();
    assert.equal(start, "deno task start --config config/queues.yaml");
    assert.equal(rest.length, OUTPUT.length);
    const [mqtt, http] = [freePort(), freePort()];
    const env = {
      WEIR_STORAGE_TYPE: "memory",
      WEIR_SERVER_TCP_ADDR: `127.0.0.1:${mqtt}`,
      WEIR_SERVER_HTTP_ADDR: `127.0.0.1:${http}`,
    };
    const args = ["run", "-P", "--quiet", "--no-prompt", `${ROOT}main.ts`, "--config", `${ROOT}config/queues.yaml`];
    await using broker = new Program(Deno.execPath(), args, env);
    await broker.line(/Ctrl-C stops it/);
    for (const [index, command] of rest.entries()) {
      const more = command.startsWith("mosquitto")
        ? ` -p ${mqtt}`
        : command.startsWith("deno")
        ? ` --url http://127.0.0.1:${http}`
        : "";
      const here = command.replaceAll("8080", `${http}`).replace(/^deno run/, `${Deno.execPath()} run --quiet`);
      await using program = new Program("sh", ["-c", `cd ${ROOT} && exec ${here}${more}`]);
      assert.deepEqual(await program.end(), { code: 0, errors: "" }, command);
      assert.match(program.said.join("\n"), OUTPUT[index], command);
    }
  },
}));

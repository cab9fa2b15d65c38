/** A program that holds a data folder, for tests that kill it. `hold FOLDER` opens it and waits for standard input to end; `write FOLDER`
 * commits pairs of deliveries until it is killed, and prints the number of each commit when it is done. */
import { openDataFolder } from "../../src/store/sqlite/data_folder.ts";
import { body, delivery, session } from "../contract/mutations.ts";

const [task, folder] = Deno.args;

const out = new TextEncoder();
const say = (line: string) => Deno.stdout.writeSync(out.encode(`${line}\n`));

try {
  const store = await openDataFolder(folder, { sync: "normal", ballastBytes: 0 });
  say("open");
  if (task === "hold") {
    for await (const _ of Deno.stdin.readable);
    await store.close();
  } else {
    await store.commit([session("alice"), session("bob")]);
    for (let n = 1;; n++) {
      const payload = new Uint8Array(200 + (n * 977) % 3_000).fill(n);
      await store.commit([body(n, { payload }), delivery("alice", 2 * n, n), delivery("bob", 2 * n + 1, n)]);
      say(String(n));
    }
  }
} catch (error) {
  say(error instanceof Error ? `${error.name}: ${error.message}` : String(error));
  Deno.exit(1);
}

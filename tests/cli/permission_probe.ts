/** Tries what a program could try, and tells what it was let do. As the program: what it may at the start, and after it has given up what
 * it no longer needs. As a Worker with the permissions of the store's: what that may. */
import { giveUpPermissions } from "../../src/cli/permissions.ts";
import { workerPermissions } from "../../src/store/sqlite/worker_store.ts";

/** What `docs/security.md` calls it -> the deed. */
const DEEDS: Readonly<Record<string, () => unknown>> = {
  "connect": () => Deno.connect({ hostname: "127.0.0.1", port: 1 }),
  "listen": () => Deno.listen({ hostname: "127.0.0.1", port: 0 }).close(),
  "read the data folder": () => Deno.readDirSync("data").next(),
  "read the folder `config`": () => Deno.readTextFileSync("config/default.yaml"),
  "read another file": () => Deno.readTextFileSync("/etc/passwd"),
  "write the data folder": () => {
    const path = `data/.probe-${Deno.pid}`;
    Deno.writeTextFileSync(path, "");
    Deno.removeSync(path);
  },
  "write another file": () => Deno.writeTextFileSync("/tmp/weir-probe", ""),
  "run a program": () => new Deno.Command("true").outputSync(),
  "load a library": () => Deno.dlopen("no-such-library.so", {}),
  "read a `WEIR_` variable": () => known(Deno.env.get("WEIR_LOG_LEVEL")),
  "read another variable": () => known(Deno.env.get("HOME")),
  "ask about the system": () => Deno.hostname(),
};

/** A variable that is kept from us is as if it were not there. */
function known(value: string | undefined): void {
  if (value === undefined) throw new Deno.errors.NotCapable("it is kept from us");
}

/** Anything but the runtime's refusal is a yes. */
async function tryAll(): Promise<Record<string, string>> {
  const answers: Record<string, string> = {};
  for (const [name, deed] of Object.entries(DEEDS)) {
    try {
      await deed();
      answers[name] = "yes";
    } catch (error) {
      answers[name] = error instanceof Deno.errors.NotCapable ? "no" : "yes";
    }
  }
  return answers;
}

async function tryInWorker(): Promise<Record<string, string>> {
  const permissions = workerPermissions(`${Deno.cwd()}/data`);
  const deeds = Object.entries(DEEDS).map(([name, deed]) => `${JSON.stringify(name)}: ${deed}`);
  const source = `const DEEDS = { ${deeds} };\n${known}\n${tryAll}\npostMessage(await tryAll());`;
  const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" })); // a file would have to be read
  const worker = new Worker(url, { type: "module", deno: { permissions } } as WorkerOptions);
  const answers = await new Promise<Record<string, string>>((resolve, reject) => {
    worker.onmessage = ({ data }) => resolve(data);
    worker.onerror = ({ message }) => reject(new Error(message));
  });
  worker.terminate();
  return answers;
}

const atStart = await tryAll();
const worker = await tryInWorker();
giveUpPermissions();
console.log(JSON.stringify([atStart, await tryAll(), worker]));

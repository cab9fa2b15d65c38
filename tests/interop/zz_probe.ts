import { TestBroker } from "../support/broker.ts";
await using b = await TestBroker.start();
async function run(cmd: string){ const p=new Deno.Command("timeout",{args:["3","sh","-c",cmd.replace("PP", `-p ${b.port}`)]}); const r=await p.output(); console.log(cmd,"=>",r.code, new TextDecoder().decode(r.stdout), new TextDecoder().decode(r.stderr)); }
 await run(`mosquitto_pub PP -r -q 2 -t kept -m x`);
 await run(`mosquitto_sub PP -d -t kept --retained-only --remove-retained -C 1 -v`);

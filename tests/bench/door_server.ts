/** `door_server.ts DOOR`: a broker with that door, and one for MQTT over TCP beside it, until its input ends. */
import { WeirBroker } from "../../mod.ts";
import { Certificates } from "../tls/certificates.ts";
import { untilEnd } from "./until_end.ts";

/** Where the doors are. */
export interface DoorAddress {
  readonly port: number;
  readonly mqttPort: number;
  /** Who has signed the door's certificate; undefined in clear text. */
  readonly ca: string | undefined;
}

async function open(broker: WeirBroker, door: string, certificates: Certificates): Promise<DoorAddress> {
  const isSecure = door === "tls" || door === "wss" || door === "https";
  const tls = { certificate: certificates.read("server.crt"), privateKey: certificates.read("server.key") };
  const webSocket = door.startsWith("ws") ? {} : undefined;
  const { port: mqttPort } = broker.listen({ port: 0 });
  const { port } = door.startsWith("http")
    ? await broker.listenHttp({ port: 0, tls: isSecure ? tls : undefined, subscriptionsMax: 10_000 })
    : isSecure
    ? await broker.listenTls({ port: 0, tls, webSocket })
    : broker.listen({ port: 0, webSocket });
  return { port, mqttPort, ca: isSecure ? certificates.read("ca.crt") : undefined };
}

if (import.meta.main) {
  const broker = await WeirBroker.start({ sysIntervalMs: 0 });
  using certificates = new Certificates();
  console.log(JSON.stringify(await open(broker, Deno.args[0], certificates)));
  await untilEnd();
  await broker.stop();
}

import { Buffer } from "node:buffer";
import type { Packet } from "mqtt-packet";
import { Line } from "./line.ts";

/** The numbers that topics retain, as a client sees them that has just come. */
export async function retainedOf(port: number, filter: string): Promise<Map<string, number>> {
  const values = new Map<string, number>();
  const done = Promise.withResolvers<void>();
  const line = await Line.open(port, 4, (packet) => {
    if (packet.cmd === "publish") values.set(packet.topic, Number(Buffer.from(packet.payload).toString()));
    else if (packet.cmd === "connack") {
      line.send({ cmd: "subscribe", messageId: 1, subscriptions: [{ topic: filter, qos: 0 }] });
    } else if (packet.cmd === "suback") line.send({ cmd: "pingreq" });
    else if (packet.cmd === "pingresp") done.resolve(); // behind every retained message
  });
  line.send({ cmd: "connect", protocolId: "MQTT", protocolVersion: 4, clientId: "", clean: true } as Packet);
  await Promise.race([done.promise, line.ended]);
  line.close();
  await line.ended;
  return values;
}

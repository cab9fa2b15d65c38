/** A persistent session that is away: whatever is published at QoS 1 has to be stored for it. */

import mqtt from "mqtt";

/** Opens the session, subscribed to everything that the load generator publishes, and leaves it. */
export async function leaveSession(port: number): Promise<void> {
  const client = await mqtt.connectAsync(`mqtt://127.0.0.1:${port}`, { clientId: "weir-bench-absent", clean: false });
  await client.subscribeAsync("bench/#", { qos: 1 });
  await client.endAsync();
}

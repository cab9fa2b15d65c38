/**
 * Weir, an MQTT 3.1.1 and 5.0 broker as a library.
 *
 * ```ts
 * import { WeirBroker } from "@weir/broker";
 *
 * await using broker = await WeirBroker.start();
 * broker.listen({ port: 0 });
 * await broker.publish({ topic: "greeting", payload: "hello", retain: true });
 * ```
 *
 * @module
 */
export { WeirBroker } from "./src/server/weir_broker.ts";

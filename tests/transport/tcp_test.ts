import assert from "node:assert/strict";
import { inTime } from "../embedding/waiting.ts";
import { TestBroker } from "../support/broker.ts";

Deno.test("a connection of which the system takes no options, as of one that has gone, leaves the door open", async () => {
  await using broker = await TestBroker.start();
  const gone = await Deno.connect({ hostname: "127.0.0.1", port: broker.port });
  const connections: Pick<Deno.TcpConn, "setNoDelay"> = Object.getPrototypeOf(gone);
  const { setNoDelay } = connections;
  let refused = 0;
  connections.setNoDelay = function (this: Deno.TcpConn, isSet) {
    if (this.localAddr.port !== broker.port) return setNoDelay.call(this, isSet);
    refused++;
    throw new TypeError("Invalid argument (os error 22)"); // as on macOS
  };
  try {
    gone.close();
    for (let n = 0; n < 2; n++) await inTime(broker.connect(), "a client of the same door");
  } finally {
    connections.setNoDelay = setNoDelay;
  }
  assert.ok(refused >= 2);
});

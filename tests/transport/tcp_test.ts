import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { ReadRounds } from "../../src/transport/read_rounds.ts";
import { listenTcp } from "../../src/transport/tcp.ts";
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

Deno.test("peers that have hung up before they are accepted are no errors of the listener, and hold nobody up", async () => {
  const errors: unknown[] = [];
  const onAcceptError = (error: unknown) => errors.push(error);
  const options = { hostname: "127.0.0.1", port: 0, noDelay: true, rounds: new ReadRounds(), onAcceptError };
  const listener = listenTcp(options);
  for (let i = 0; i < 20; i++) {
    const peer = connect(listener.port, "127.0.0.1");
    await once(peer, "connect");
    peer.resetAndDestroy();
    await once(peer, "close");
  }
  const client = connect(listener.port, "127.0.0.1");
  await once(client, "connect");
  for await (const { remotePort, channel } of listener.connections) { // some systems accept who has gone
    channel.close();
    if (remotePort === client.localPort) break;
  }
  assert.deepEqual(errors, []);
  client.destroy();
  listener.close();
});

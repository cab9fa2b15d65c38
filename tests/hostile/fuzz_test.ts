import fc from "fast-check";
import { TestBroker } from "../support/broker.ts";
import { clientFixtures } from "../wire/fixtures.ts";
import { hex } from "../wire/reading.ts";
import { connect, join } from "./bytes.ts";
import { RawPeer } from "./raw_peer.ts";
import { Witness } from "./witness.ts";

const valid = clientFixtures.map((fixture) => hex(fixture.hex));

/** A packet that was valid, with some bytes changed, put in or taken out. */
const mutated = fc.tuple(
  fc.constantFrom(...valid),
  fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 }), fc.integer({ min: 0, max: 2 })), { maxLength: 6 }),
).map(([bytes, changes]) => {
  const out = [...bytes];
  for (const [where, byte, kind] of changes) {
    const at = where % (out.length + 1);
    if (kind === 0) out.splice(at, 1, byte);
    else if (kind === 1) out.splice(at, 0, byte);
    else out.splice(at, 1);
  }
  return Uint8Array.from(out);
});

/** Random bytes behind a plausible fixed header. */
const framed = fc.tuple(fc.integer({ min: 0, max: 255 }), fc.uint8Array({ maxLength: 120 }))
  .map(([first, body]) => join(first, body.length, body));

const stream = fc.array(
  fc.oneof(fc.uint8Array({ maxLength: 60 }), framed, mutated, fc.constantFrom(...valid)),
  { minLength: 1, maxLength: 12 },
);

for (const [name, before] of [["fresh", undefined], ["v3.1.1", 4], ["v5", 5]] as const) {
  Deno.test(`fuzz: nothing that is sent on a ${name} connection stops the broker or harms another client`, async () => {
    await using broker = await TestBroker.start();
    const witness = await Witness.on(broker);
    let round = 0;
    await fc.assert(
      fc.asyncProperty(stream, fc.boolean(), async (chunks, isTogether) => {
        using peer = before === undefined
          ? await RawPeer.open(broker.port)
          : await RawPeer.connect(broker.port, connect({ version: before }));
        if (isTogether) await peer.send(join(...chunks));
        else for (const chunk of chunks) await peer.send(chunk);
        await peer.closeWrite().catch(() => {}); // the broker may have gone first
        await peer.untilClosed();
        if (++round % 20 === 0) await witness.passOne();
      }),
      { seed: 20261122, numRuns: 600 },
    );
    await witness.check();
  });
}

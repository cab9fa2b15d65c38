import assert from "node:assert/strict";
import { Broker } from "../../src/core/broker.ts";
import { assertLimits, type Limits } from "../../src/core/limits.ts";
import { limitsOf } from "./building.ts";

const outside: [Partial<Limits>, RegExp][] = [
  [{ topicBytesMax: 0 }, /topicBytesMax to 0: it must lie between 1 and 65535/],
  [{ topicBytesMax: 65_536 }, /topicBytesMax to 65536/],
  [{ topicLevelsMax: 0 }, /topicLevelsMax to 0/],
  [{ inflightMax: 0 }, /inflightMax to 0/],
  [{ inflightMax: 65_536 }, /inflightMax to 65536/],
  [{ receiveMaximum: 0 }, /receiveMaximum to 0/],
  [{ receiveMaximum: NaN }, /receiveMaximum to NaN/],
  [{ sessionsMax: 0 }, /sessionsMax to 0/],
  [{ subscriptionsPerSessionMax: 0 }, /subscriptionsPerSessionMax to 0/],
  [{ queuedMessagesMax: -1 }, /queuedMessagesMax to -1/],
  [{ queuedBytesMax: -1 }, /queuedBytesMax to -1/],
  [{ retainedMessagesMax: -1 }, /retainedMessagesMax to -1/],
  [{ retainedBytesMax: -1 }, /retainedBytesMax to -1/],
  [{ sessionExpirySecondsMax: 2 ** 32 }, /sessionExpirySecondsMax to 4294967296/],
  [{ messageExpirySecondsMax: 0 }, /messageExpirySecondsMax to 0/],
  [{ sessionExpirySecondsMax: 60, sessionExpirySecondsV3: 61 }, /61 s.*60 s/],
];

for (const [limits, words] of outside) {
  Deno.test(`a broker does not start with ${JSON.stringify(limits)}`, () => {
    assert.throws(
      () => new Broker(limitsOf(limits)),
      (error) => error instanceof RangeError && words.test(error.message),
    );
  });
}

Deno.test("the limits of a broker nobody configured, and those at their ends, are accepted", () => {
  assertLimits(limitsOf());
  assertLimits(limitsOf({ inflightMax: 65_535, receiveMaximum: 1, queuedMessagesMax: 0, retainedBytesMax: Infinity }));
});

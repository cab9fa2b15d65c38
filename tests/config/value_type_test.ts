import assert from "node:assert/strict";
import { parse } from "yaml";
import { SETTINGS } from "../../src/config/schema.ts";
import type { Setting } from "../../src/config/setting.ts";
import { address, addressOrNone, base64, label, text } from "../../src/config/text_type.ts";
import {
  choice,
  count,
  duration,
  flag,
  type Scalar,
  seconds,
  size,
  UNLIMITED,
  type ValueType,
} from "../../src/config/value_type.ts";

const NEVER = { word: "never", value: 99 };

/** Type -> what it reads, as pairs of found and read, and what it refuses. */
const CASES: Readonly<Record<string, { type: ValueType<unknown>; reads: [Scalar, unknown][]; refuses: Scalar[] }>> = {
  count: {
    type: count({ from: 1, to: 10, special: UNLIMITED }),
    reads: [[1, 1], [10, 10], [5n, 5], ["unlimited", Infinity]],
    refuses: [0, 11, 1.5, NaN, Infinity, "5", "Unlimited", true, null, 2n ** 70n],
  },
  size: {
    type: size({ from: 0, to: 1024 ** 3 }),
    reads: [[0, 0], [1048576, 1048576], ["1MiB", 1048576], ["64KiB", 65536], ["1GiB", 1024 ** 3], ["2 KiB", 2048]],
    refuses: [-1, "1MB", "1M", "1.5MiB", "MiB", "2GiB", "1mib", "1048576", ""],
  },
  duration: {
    type: duration({ from: "100ms", to: "1d" }),
    reads: [["100ms", 100], ["60s", 60_000], ["5m", 300_000], ["24h", 86_400_000], ["1d", 86_400_000], [
      "1m30s",
      90_000,
    ]],
    refuses: ["99ms", "25h", 60, "60", "5min", "1.5s", "-5s", "", "s", "0s", 0, "never"],
  },
  "duration with 0": {
    type: duration({ from: "1s", to: "1h", zero: true }),
    reads: [[0, 0], ["0s", 0], ["1s", 1000]],
    refuses: ["999ms", "2h", 1],
  },
  seconds: {
    type: seconds({ from: 0, to: 3600, special: NEVER }),
    reads: [[0, 0], [300, 300], ["5m", 300], ["1h", 3600], ["2000ms", 2], ["never", 99]],
    refuses: ["1500ms", 3601, "2h", 1.5, "300", "forever", null],
  },
  flag: { type: flag(), reads: [[true, true], [false, false]], refuses: ["true", 1, "yes", null] },
  choice: { type: choice([0, 1, 2]), reads: [[0, 0], [2, 2]], refuses: ["1", 3, true] },
  text: {
    type: text({ from: 1, to: 4 }),
    reads: [["abcd", "abcd"], ["é", "é"]],
    refuses: ["", "abcde", "ééé", "a\n", "\u0000", "\ud800", 5],
  },
  label: { type: label(), reads: [["tcp-2_b", "tcp-2_b"]], refuses: ["", "a b", "a/b", "x".repeat(65), 1] },
  address: {
    type: address(),
    reads: [
      ["127.0.0.1:1883", { hostname: "127.0.0.1", port: 1883 }],
      [":1883", { hostname: "::", port: 1883 }],
      ["[::]:0", { hostname: "::", port: 0 }],
      ["[0:0:0:0:0:0:0:1]:65535", { hostname: "::1", port: 65535 }],
      ["Broker.Example:1", { hostname: "broker.example", port: 1 }],
    ],
    refuses: [
      "",
      "1883",
      1883,
      "::1:1883",
      "host",
      "host:",
      ":65536",
      "999.1.1.1:1",
      "[::g]:1",
      "a b:1",
      "tcp://a:1",
      "u@h:1",
      "h:1/p",
    ],
  },
  "address or none": {
    type: addressOrNone(),
    reads: [["", null], [":1", { hostname: "::", port: 1 }]],
    refuses: [null, "1"],
  },
  base64: {
    type: base64({ from: 2, to: 3 }),
    reads: [["AAEC", new Uint8Array([0, 1, 2])], ["AAE=", new Uint8Array([0, 1])]],
    refuses: ["", "AA==", "AAECAw==", "AAE", "AA-_", "!!!!", 5, null],
  },
};

for (const [name, { type, reads, refuses }] of Object.entries(CASES)) {
  Deno.test(`${name} reads what it should and refuses the rest`, () => {
    for (const [found, expected] of reads) assert.deepEqual(type.parse(found), expected, `${found}`);
    for (const found of refuses) assert.equal(type.parse(found), undefined, `${typeof found} ${found}`);
  });
}

Deno.test("every default is written as it would be read", () => {
  const written: Record<string, string> = {};
  for (const [path, { type, initial }] of Object.entries(SETTINGS) as [string, Setting<unknown>][]) {
    written[path] = type.format(initial);
    if (path === "auth.allow_anonymous") continue; // depends on the other keys
    const scalar = parse(written[path]) as Scalar;
    assert.deepEqual(type.parse(scalar), initial, path);
  }
  assert.equal(written["server.connect_timeout"], "10s");
  assert.equal(written["broker.max_message_size"], "1MiB");
  assert.equal(written["session.max_expiry_interval"], "never");
  assert.equal(written["server.tcp_addr"], '"127.0.0.1:1883"');
});

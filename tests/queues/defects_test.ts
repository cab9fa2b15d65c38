/** Defects that users of other queues over MQTT have met, and which test shows that Weir has none of them. */
import assert from "node:assert/strict";
import { literalNames } from "../conformance/test_names.ts";
import { readText } from "../support/source_code.ts";

type Test = readonly [path: string, name: string];

const DEFECTS: Readonly<Record<string, readonly Test[]>> = {
  "the settlement of one group takes the message from all": [
    ["core/queue/settling_test.ts", "an acknowledgement of one group leaves the message to the others"],
    ["queues/mqtt_test.ts", "groups are independent: each gets every message, and settles for itself"],
  ],
  "an ordered queue never delivers a failed message again": [
    ["core/queue/settling_test.ts", "a message that is retried holds back its key, not its partition"],
    ["queues/mqtt_test.ts", "messages of one partition-key come one after the other, in order, through retries"],
  ],
  "a group with one consumer never gets a failed message back": [
    ["core/queue/settling_test.ts", "a nack comes back to the only consumer of a group, after the backoff"],
  ],
  "a nack has no backoff, and poison goes round for ever": [
    ["core/queue/settling_test.ts", "a nack comes back to the only consumer of a group, after the backoff"],
    ["queues/mqtt_test.ts", "too many deliveries make a dead letter"],
  ],
  "a rejected message is dropped": [
    ["queues/mqtt_test.ts", "PUBACK 0x99 rejects: the message is a dead letter that says why"],
  ],
  "dead letters cannot be consumed, listed or sent back": [
    ["core/queue/dead_letters_test.ts", "dead letters are a queue of their own: consumed, acknowledged, gone"],
    ["http/queues_test.ts", "dead letters: rejected, listed page by page, sent back, deleted, pulled"],
  ],
  "a dead letter that cannot be written is lost": [
    [
      "core/queue/dead_letters_test.ts",
      "where the dead-letter queue is full a message stays, is retried at the longest backoff, and that is told",
    ],
  ],
  "a consumer is not told the message id, and cannot settle": [
    [
      "queues/mqtt_test.ts",
      "what was published before anybody subscribed is delivered, with what a consumer has to know",
    ],
    ["queues/mqtt_test.ts", "$ack, $nack and $reject settle by message-id, and PUBACK says when that is stored"],
  ],
  "a 3.1.1 client cannot settle": [
    ["queues/mqtt_test.ts", "3.1.1: the group is in the filter, PUBACK settles"],
  ],
  "whoever may publish can settle what another holds": [
    ["queues/mqtt_test.ts", "only the holder may settle"],
    [
      "http/queues_test.ts",
      "only who holds a message may settle it: another client, another group and a second time are 409",
    ],
  ],
  "a topic anywhere that ends in $ack is taken for a settlement": [
    ["queues/mqtt_test.ts", "a topic that ends like a settlement and is none of a queue is an ordinary one"],
  ],
  "clients whose ids begin alike share a group without knowing": [
    ["queues/mqtt_test.ts", "who names no group has one of its own, whatever its client id begins with"],
  ],
  "the first consumer claims everything": [
    ["queues/mqtt_test.ts", "no more than the prefetch, nor than the client's Receive Maximum, is under way"],
  ],
  "partitions change hands at random": [
    ["core/queue/groups_test.ts", "a member that joins takes from those that have most, and the others keep theirs"],
  ],
  "what a dead consumer held stays with it": [
    ["queues/mqtt_test.ts", "a message that nobody settles comes again when its consumer is gone, counted"],
    [
      "queues/pull_test.ts",
      "a member that holds nothing and does not ask leaves after 30 seconds, one that asks stays",
    ],
  ],
  "QoS 0 consumers are let in and lose messages": [
    ["queues/mqtt_test.ts", "QoS 0 cannot consume: nothing could be settled"],
  ],
  "a retained publish, or a will, to a queue is not enqueued": [
    ["queues/mqtt_test.ts", "a will for a queue is appended, and a retained publish is, too"],
  ],
  "limits of depth and size are accepted and not kept": [
    ["queues/mqtt_test.ts", "a queue that is full says 0x97, and takes more when there is room"],
    ["queues/mqtt_test.ts", "a message that is too large for the queue is refused"],
    [
      "queues/rate_test.ts",
      "a publish to a queue counts in the message rate: 0x97 over it, and nothing is stored of it",
    ],
  ],
  "settings of queues are accepted and do nothing": [
    ["queues/every_key_test.ts", "queues[].${key} changes what happens"],
  ],
  "nothing about queues can be configured while they run": [
    ["http/queues_test.ts", "a queue is made, shown, changed, purged and deleted"],
  ],
  "compaction is a setting without code": [
    [
      "core/queue/streams_test.ts",
      "compaction keeps the newest value of each key and honours tombstones; a key names what a message is about, not its copy",
    ],
  ],
  "a captured message is lost when the broker is busy": [
    ["queues/mqtt_test.ts", "what is captured is delivered under its topic, and to ordinary subscribers as well"],
    [
      "crash/crash_test.ts",
      "queues keep through kill -9 what was published, what was settled, and the order of each key",
    ],
  ],
  "an acknowledged publish is lost in a crash": [
    [
      "crash/crash_test.ts",
      "queues keep through kill -9 what was published, what was settled, and the order of each key",
    ],
    ["queues/restart_test.ts", "a restart finds queues, messages, places of groups, failures and dead letters"],
  ],
  "every look at a queue, and every deletion, costs as much as it is long": [
    [
      "core/queue/groups_test.ts",
      "a backlog of ten million costs a segment for each thousand, and one page when somebody comes",
    ],
    [
      "store/queue_sweep_test.ts",
      "what is trimmed is out of sight at once and swept out by and by: no commit pays for all of it",
    ],
  ],
  "whoever reaches the port administers the queues": [
    [
      "http/queues_test.ts",
      "administering needs the right to publish to $admin/queues/<name>, consuming that to subscribe",
    ],
  ],
  "nobody can see how a queue is doing": [
    [
      "queues/sys_test.ts",
      "$SYS tells how many queues there are, what waits in them and is with consumers, and what became of the rest",
    ],
  ],
};

for (const [defect, tests] of Object.entries(DEFECTS)) {
  Deno.test(`a test shows that Weir has not: ${defect}`, () => {
    for (const [path, name] of tests) {
      const names = literalNames(readText(`tests/${path}`));
      assert.ok(names.includes(name), `tests/${path} has no test "${name}"`);
    }
  });
}

import type { Packet } from "mqtt-packet";
import { Buffer } from "node:buffer";
import { PACKET_BYTES_MAX, type ProtocolVersion } from "../../src/wire/packet.ts";
import { hex } from "./reading.ts";

/** One packet that a client may send: its bytes, what our reader says of it, and the same in mqtt-packet's words. */
export interface ClientFixture {
  name: string;
  version: ProtocolVersion;
  hex: string;
  value: Record<string, unknown>;
  /** Absent where mqtt-packet cannot write these bytes; `library` then says nothing. */
  library?: Packet;
  /** Lengths to which the body may be cut, or grown by a zero, and still be a packet. */
  validAt?: number[];
}

const connect = {
  clientId: "",
  clean: true,
  keepAliveSeconds: 0,
  username: undefined,
  password: undefined,
  will: undefined,
  sessionExpirySeconds: 0,
  receiveMaximum: 65_535,
  maximumPacketBytes: PACKET_BYTES_MAX,
  topicAliasMaximum: 0,
  requestResponseInformation: false,
  requestProblemInformation: true,
  authenticationMethod: undefined,
  authenticationData: undefined,
  userProperties: [],
};

const publish = {
  payload: hex(""),
  properties: [],
  dup: false,
  qos: 0,
  retain: false,
  packetId: 0,
  topicAlias: 0,
  expirySeconds: -1,
  payloadIsUtf8: false,
  hasResponseTopic: false,
  hasUserProperties: false,
};

const request = { noLocal: false, retainAsPublished: false, retainHandling: 0 };

export const connectFixtures: ClientFixture[] = [
  {
    name: "CONNECT 3.1",
    version: 3,
    hex: '10 0f 0006 "MQIsdp" 03 02 003c 0001 "a"',
    value: { ...connect, version: 3, clientId: "a", keepAliveSeconds: 60 },
    library: { cmd: "connect", protocolId: "MQIsdp", protocolVersion: 3, clientId: "a", clean: true, keepalive: 60 },
  },
  {
    name: "CONNECT 3.1.1 with everything",
    version: 4,
    hex: '10 22 0004 "MQTT" 04 ec 000a 0002 "id" 0003 "w/t" 0003 "bye" 0002 "me" 0004 00ff 0001',
    value: {
      ...connect,
      version: 4,
      clientId: "id",
      clean: false,
      keepAliveSeconds: 10,
      will: {
        topic: "w/t",
        payload: hex('"bye"'),
        qos: 1,
        retain: true,
        delaySeconds: 0,
        expirySeconds: undefined,
        payloadIsUtf8: false,
        properties: hex(""),
      },
      username: "me",
      password: hex("00ff0001"),
    },
    library: {
      cmd: "connect",
      protocolId: "MQTT",
      protocolVersion: 4,
      clientId: "id",
      clean: false,
      keepalive: 10,
      will: { topic: "w/t", payload: Buffer.from("bye"), qos: 1, retain: true },
      username: "me",
      password: Buffer.from([0, 255, 0, 1]),
    },
  },
  {
    name: "CONNECT 5 with nothing",
    version: 5,
    hex: '10 0d 0004 "MQTT" 05 02 0000 00 0000',
    value: { ...connect, version: 5 },
    library: { cmd: "connect", protocolId: "MQTT", protocolVersion: 5, clientId: "", clean: true, keepalive: 0 },
  },
  {
    name: "CONNECT 5 with every property",
    version: 5,
    hex: '10 41 0004 "MQTT" 05 c2 001e' +
      '2b 11 0000000a 21 0014 27 00000400 22 0007 19 01 17 00 26 0001 "k" 0001 "1" 26 0001 "k" 0001 "2" 15 0002 "sc" 16 0001 aa' +
      '0001 "c" 0002 "me" 0002 dead',
    value: {
      ...connect,
      version: 5,
      clientId: "c",
      keepAliveSeconds: 30,
      username: "me",
      password: hex("dead"),
      sessionExpirySeconds: 10,
      receiveMaximum: 20,
      maximumPacketBytes: 1024,
      topicAliasMaximum: 7,
      requestResponseInformation: true,
      requestProblemInformation: false,
      authenticationMethod: "sc",
      authenticationData: hex("aa"),
      userProperties: [["k", "1"], ["k", "2"]],
    },
    library: {
      cmd: "connect",
      protocolId: "MQTT",
      protocolVersion: 5,
      clientId: "c",
      clean: true,
      keepalive: 30,
      username: "me",
      password: Buffer.from([0xde, 0xad]),
      properties: {
        sessionExpiryInterval: 10,
        receiveMaximum: 20,
        maximumPacketSize: 1024,
        topicAliasMaximum: 7,
        requestResponseInformation: true,
        requestProblemInformation: false,
        userProperties: { k: ["1", "2"] },
        authenticationMethod: "sc",
        authenticationData: Buffer.from([0xaa]),
      },
    },
  },
  {
    name: "CONNECT 5 with a will and its properties",
    version: 5,
    hex: '10 3a 0004 "MQTT" 05 16 0000 00 0001 "c"' +
      '26 18 00000005 01 01 02 0000003c 03 0001 "t" 08 0001 "r" 09 0001 99 26 0001 "b" 0001 "1" 26 0001 "a" 0001 "2"' +
      '0001 "w" 0000',
    value: {
      ...connect,
      version: 5,
      clientId: "c",
      will: {
        topic: "w",
        payload: hex(""),
        qos: 2,
        retain: false,
        delaySeconds: 5,
        expirySeconds: 60,
        payloadIsUtf8: true,
        properties: hex('01 01 03 0001 "t" 08 0001 "r" 09 0001 99 26 0001 "b" 0001 "1" 26 0001 "a" 0001 "2"'),
      },
    },
    library: {
      cmd: "connect",
      protocolId: "MQTT",
      protocolVersion: 5,
      clientId: "c",
      clean: true,
      keepalive: 0,
      will: {
        topic: "w",
        payload: Buffer.alloc(0),
        qos: 2,
        retain: false,
        properties: {
          willDelayInterval: 5,
          payloadFormatIndicator: true,
          messageExpiryInterval: 60,
          contentType: "t",
          responseTopic: "r",
          correlationData: Buffer.from([0x99]),
          userProperties: { b: "1", a: "2" },
        },
      },
    },
  },
];

export const publishFixtures: ClientFixture[] = [
  {
    name: "PUBLISH 3.1.1 QoS 0 without payload",
    version: 4,
    hex: '30 05 0003 "a/b"',
    value: { ...publish, topic: "a/b" },
    library: { cmd: "publish", topic: "a/b", payload: "", qos: 0, dup: false, retain: false },
  },
  {
    name: "PUBLISH 3.1.1 QoS 2, retained, again",
    version: 4,
    hex: '3d 0a 0003 "a/b" 1234 "xyz"',
    value: { ...publish, topic: "a/b", qos: 2, dup: true, retain: true, packetId: 0x1234, payload: hex('"xyz"') },
    library: { cmd: "publish", topic: "a/b", payload: "xyz", qos: 2, dup: true, retain: true, messageId: 0x1234 },
    validAt: [7, 8, 9],
  },
  {
    name: "PUBLISH 5 QoS 1 without properties",
    version: 5,
    hex: '32 08 0001 "t" 0001 00 "hi"',
    value: { ...publish, topic: "t", qos: 1, packetId: 1, payload: hex('"hi"') },
    library: { cmd: "publish", topic: "t", payload: "hi", qos: 1, dup: false, retain: false, messageId: 1 },
    validAt: [6, 7],
  },
  {
    name: "PUBLISH 5 with every property",
    version: 5,
    hex: '30 36 0003 "ä/" 2e 23 0009 02 00000e10 01 01 03 0001 "j" 08 0003 "r/s" 09 0002 0102' +
      '26 0001 "z" 0001 "1" 26 0001 "a" 0001 "2" 26 0001 "z" 0001 "3" 00ff',
    value: {
      ...publish,
      topic: "ä/",
      payload: hex("00ff"),
      topicAlias: 9,
      expirySeconds: 3600,
      payloadIsUtf8: true,
      hasResponseTopic: true,
      hasUserProperties: true,
      properties: [
        { id: 0x01, value: 1 },
        { id: 0x03, value: "j" },
        { id: 0x08, value: "r/s" },
        { id: 0x09, value: hex("0102") },
        { id: 0x26, value: ["z", "1"] },
        { id: 0x26, value: ["a", "2"] },
        { id: 0x26, value: ["z", "3"] },
      ],
    },
    validAt: [52, 53],
  },
  {
    name: "PUBLISH 5 by alias alone",
    version: 5,
    hex: '30 07 0000 03 23 0005 "p"',
    value: { ...publish, topic: "", topicAlias: 5, payload: hex('"p"') },
    library: {
      cmd: "publish",
      topic: "",
      payload: "p",
      qos: 0,
      dup: false,
      retain: false,
      properties: { topicAlias: 5 },
    },
    validAt: [6],
  },
];

export const acknowledgementFixtures: ClientFixture[] = [
  {
    name: "PUBACK 3.1.1",
    version: 4,
    hex: "40 02 0102",
    value: { packetId: 0x0102, reasonCode: 0, reason: "" },
    library: { cmd: "puback", messageId: 0x0102 },
  },
  {
    name: "PUBREC 5 with a reason code alone",
    version: 5,
    hex: "50 03 0001 97",
    value: { packetId: 1, reasonCode: 0x97, reason: "" },
    validAt: [2, 4],
  },
  {
    name: "PUBREL 5 with properties",
    version: 5,
    hex: '62 10 0001 92 0c 1f 0002 "no" 26 0001 "k" 0001 "v"',
    value: { packetId: 1, reasonCode: 0x92, reason: "no" },
    library: {
      cmd: "pubrel",
      messageId: 1,
      reasonCode: 0x92,
      properties: { reasonString: "no", userProperties: { k: "v" } },
    },
    validAt: [2, 3],
  },
  {
    name: "PUBCOMP 5 with an empty property section",
    version: 5,
    hex: "70 04 ffff 00 00",
    value: { packetId: 0xffff, reasonCode: 0, reason: "" },
    validAt: [2, 3],
  },
];

export const subscriptionFixtures: ClientFixture[] = [
  {
    name: "SUBSCRIBE 3.1.1",
    version: 4,
    hex: '82 0c 000a 0001 "a" 00 0003 "b/#" 02',
    value: {
      packetId: 10,
      subscriptionId: 0,
      requests: [{ ...request, filter: "a", qos: 0 }, { ...request, filter: "b/#", qos: 2 }],
      userProperties: [],
    },
    library: { cmd: "subscribe", messageId: 10, subscriptions: [{ topic: "a", qos: 0 }, { topic: "b/#", qos: 2 }] },
    validAt: [6],
  },
  {
    name: "SUBSCRIBE 5 with an identifier and options",
    version: 5,
    hex: '82 11 0001 0a 0b 8001 26 0001 "k" 0001 "v" 0001 "+" 2d',
    value: {
      packetId: 1,
      subscriptionId: 128,
      requests: [{ filter: "+", qos: 1, noLocal: true, retainAsPublished: true, retainHandling: 2 }],
      userProperties: [["k", "v"]],
    },
    library: {
      cmd: "subscribe",
      messageId: 1,
      properties: { subscriptionIdentifier: 128, userProperties: { k: "v" } },
      subscriptions: [{ topic: "+", qos: 1, nl: true, rap: true, rh: 2 }],
    },
  },
  {
    name: "UNSUBSCRIBE 3.1.1",
    version: 4,
    hex: 'a2 07 0007 0003 "b/#"',
    value: { packetId: 7, filters: ["b/#"] },
    library: { cmd: "unsubscribe", messageId: 7, unsubscriptions: ["b/#"] },
  },
  {
    name: "UNSUBSCRIBE 5",
    version: 5,
    hex: 'a2 10 0007 07 26 0001 "k" 0001 "v" 0001 "a" 0001 "b"',
    value: { packetId: 7, filters: ["a", "b"] },
    library: {
      cmd: "unsubscribe",
      messageId: 7,
      properties: { userProperties: { k: "v" } },
      unsubscriptions: ["a", "b"],
    },
    validAt: [13],
  },
];

export const controlFixtures: ClientFixture[] = [
  { name: "PINGREQ", version: 4, hex: "c0 00", value: {}, library: { cmd: "pingreq" } },
  {
    name: "DISCONNECT 3.1.1",
    version: 4,
    hex: "e0 00",
    value: { reasonCode: 0, sessionExpirySeconds: undefined },
    library: { cmd: "disconnect" },
  },
  {
    name: "DISCONNECT 5 in short",
    version: 5,
    hex: "e0 00",
    value: { reasonCode: 0, sessionExpirySeconds: undefined },
    validAt: [1],
  },
  {
    name: "DISCONNECT 5 with properties",
    version: 5,
    hex: 'e0 0b 04 09 11 00000078 1f 0001 "x"',
    value: { reasonCode: 4, sessionExpirySeconds: 120 },
    library: {
      cmd: "disconnect",
      reasonCode: 4,
      properties: { sessionExpiryInterval: 120, reasonString: "x" },
    },
    validAt: [0, 1],
  },
  {
    name: "AUTH 5",
    version: 5,
    hex: 'f0 0e 18 0c 15 0005 "SCRAM" 16 0001 07',
    value: { reasonCode: 0x18, authenticationMethod: "SCRAM", authenticationData: hex("07") },
    library: {
      cmd: "auth",
      reasonCode: 0x18,
      properties: { authenticationMethod: "SCRAM", authenticationData: Buffer.from([7]) },
    },
  },
];

/** Every packet of a client, in the order of the packet types. */
export const clientFixtures: ClientFixture[] = [
  ...connectFixtures,
  ...publishFixtures,
  ...acknowledgementFixtures,
  ...subscriptionFixtures,
  ...controlFixtures,
];

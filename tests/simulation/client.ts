// A client that keeps its word: it retries until it is acknowledged, and takes a QoS 2 message once.
import assert from "node:assert/strict";
import { SendKind } from "../../src/core/effects.ts";
import type { Send } from "../../src/core/effects.ts";
import type { QoS } from "../../src/core/message.ts";
import type { Session } from "../../src/core/session.ts";
import { attachRequestOf, messageOf, optionsOf, payloadOf, willOf } from "../core/building.ts";
import { Link, type Machine } from "./machine.ts";

interface Outgoing {
  readonly topic: string;
  readonly payload: string;
  readonly qos: 1 | 2;
  readonly retain: boolean;
  /** PUBREC has come: only PUBREL is sent from then on. */
  isReleased: boolean;
}

/** A client with a session that lasts. What it has to remember survives its own connections and the broker's crashes. */
export class Client {
  readonly clientId: string;
  readonly receiveMaximum: number;
  link: Link | null = null;
  /** CONNACK has been read on this connection. */
  isOpen = false;
  /** The session has been told to exist: it may never be absent again. */
  hasSession = false;
  connections = 0;
  /** Connections by number whose will must be published. */
  readonly willsDue = new Set<number>();
  /** What it wants to be subscribed to. */
  readonly filters = new Map<string, QoS>();
  /** Filters that were asked for or given up and not acknowledged, with the id of the last request. */
  readonly #unsure = new Map<string, number>();
  readonly #outgoing = new Map<number, Outgoing>();
  readonly #incoming = new Set<number>();
  /** What reached the application: the payloads in order, per topic. */
  readonly log: { readonly topic: string; readonly payload: string; readonly qos: QoS }[] = [];
  #session: Session | null = null;
  #lastPacketId = 0;

  constructor(clientId: string, receiveMaximum: number) {
    this.clientId = clientId;
    this.receiveMaximum = receiveMaximum;
  }

  get isIdle(): boolean {
    return this.isOpen && this.link!.inbox.length === 0 && this.#outgoing.size === 0 && this.#unsure.size === 0;
  }

  connect(machine: Machine): void {
    if (this.link !== null) this.#lost();
    const link = this.link = new Link();
    const { clientId, receiveMaximum } = this;
    const number = ++this.connections;
    const will = willOf(`will/${clientId}`, { qos: 2, payload: `${clientId} ${number}` });
    this.#session = machine.decide((broker, turn) => {
      return broker.attach(attachRequestOf(clientId, { peer: link, receiveMaximum, will }), turn);
    });
  }

  /** The connection breaks and the broker notices. */
  drop(machine: Machine): void {
    const { link } = this;
    if (link === null) return;
    this.#lost();
    machine.decide((broker, turn) => {
      broker.detach(this.#session!, { peer: link, cause: "connection-lost" }, turn);
    });
  }

  disconnect(machine: Machine): void {
    const { link } = this;
    if (link === null) return;
    this.link = null;
    this.isOpen = false; // whether the will is due depends on whether the broker gets as far as to write the goodbye
    machine.decide((broker, turn) => broker.detach(this.#session!, { peer: link, cause: "normal" }, turn));
  }

  /** The connection is gone without a word. */
  lose(): void {
    if (this.link !== null) this.#lost();
  }

  publish(machine: Machine, message: Omit<Outgoing, "isReleased">): void {
    const packetId = ++this.#lastPacketId;
    this.#outgoing.set(packetId, { ...message, isReleased: false });
    if (this.isOpen) this.#send(machine, packetId);
  }

  subscribe(machine: Machine, filter: string, qos: QoS | undefined): void {
    if (qos === undefined) this.filters.delete(filter);
    else this.filters.set(filter, qos);
    this.#unsure.set(filter, 0);
    if (this.isOpen) this.#ask(machine, filter);
  }

  /** Reads some of what lies in the inbox and answers it. */
  read(machine: Machine, count: number): void {
    for (let i = 0; i < count && this.link !== null; i++) {
      const send = this.link.inbox.shift();
      if (send === undefined) return;
      this.#read(machine, send);
    }
  }

  #read(machine: Machine, send: Send): void {
    const { packetId } = send;
    switch (send.kind) {
      case SendKind.connack:
        return this.#onConnack(machine, send.sessionPresent);
      case SendKind.publish:
        return this.#onPublish(machine, send);
      case SendKind.pubrel:
        this.#incoming.delete(packetId);
        machine.decide((_, turn) => this.#session!.settle(packetId, turn));
        return;
      case SendKind.puback:
      case SendKind.pubcomp:
        this.#outgoing.delete(packetId);
        return;
      case SendKind.pubrec:
        if (this.#outgoing.has(packetId)) this.#outgoing.get(packetId)!.isReleased = true;
        return this.#send(machine, packetId);
      case SendKind.suback:
      case SendKind.unsuback:
        for (const [filter, asked] of this.#unsure) if (asked === packetId) this.#unsure.delete(filter);
        return;
      default:
        assert.fail(`${this.clientId} was not to be told ${send.kind}`);
    }
  }

  #onConnack(machine: Machine, isPresent: boolean): void {
    if (this.hasSession) assert.ok(isPresent, `the session of ${this.clientId} is gone`);
    this.hasSession = true;
    this.isOpen = true;
    for (const packetId of this.#outgoing.keys()) this.#send(machine, packetId);
    for (const filter of this.#unsure.keys()) this.#ask(machine, filter);
  }

  #onPublish(machine: Machine, send: Send): void {
    const { packetId, qos } = send;
    assert.ok(packetId > 0 === qos > 0);
    const isKnown = qos === 2 && this.#incoming.has(packetId);
    if (isKnown) assert.ok(send.dup, "an id that is in use came with a new message");
    if (!isKnown) this.log.push({ topic: send.message!.topic.name, payload: payloadOf(send.message!), qos });
    const { link } = this;
    if (qos === 1) machine.decide((_, turn) => this.#session!.settle(packetId, turn));
    if (qos !== 2) return;
    this.#incoming.add(packetId);
    machine.decide((_, turn) => {
      this.#session!.release(packetId, turn);
      turn.effects.acknowledge(SendKind.pubrel, link!, packetId);
    });
  }

  /** As the packet handler takes it. */
  #send(machine: Machine, packetId: number): void {
    const { topic, payload, qos, retain, isReleased } = this.#outgoing.get(packetId)!;
    const [link, session] = [this.link!, this.#session!];
    machine.decide((broker, turn) => {
      if (isReleased) {
        session.forget(packetId, turn);
        return turn.effects.acknowledge(SendKind.pubcomp, link, packetId);
      }
      if (qos === 1 || session.receive(packetId, turn)) {
        broker.publish(messageOf(topic, { qos, retain, payload }), session, turn);
      }
      return turn.effects.acknowledge(qos === 1 ? SendKind.puback : SendKind.pubrec, link, packetId);
    });
  }

  #ask(machine: Machine, filter: string): void {
    const packetId = ++this.#lastPacketId;
    this.#unsure.set(filter, packetId);
    const qos = this.filters.get(filter);
    machine.decide((broker, turn) => {
      if (qos === undefined) broker.unsubscribe(this.#session!, { packetId, filters: [filter] }, turn);
      else broker.subscribe(this.#session!, { packetId, requests: [optionsOf(filter, { qos })] }, turn);
    });
  }

  #lost(): void {
    if (this.isOpen) this.willsDue.add(this.connections);
    this.link = null;
    this.isOpen = false;
  }
}

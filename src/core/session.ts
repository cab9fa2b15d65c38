import { type Acknowledgement, Delivery, deliveryOf, type Hold } from "./delivery.ts";
import { DeliveryQueue } from "./delivery_queue.ts";
import { writeDone, writeReleased, writeSent, writeStored } from "./delivery_writes.ts";
import type { Send } from "./effects.ts";
import { Inflight } from "./inflight.ts";
import type { Message, QoS } from "./message.ts";
import { evictExcess, makeRoom } from "./overflow.ts";
import type { Identity, Peer } from "./ports.ts";
import type { SessionConsumer } from "./queue/session_consumer.ts";
import { type Replay, REPLAY_STEPS_MAX, REPLAYED_MAX } from "./replay.ts";
import { ResendList } from "./resend_list.ts";
import type { RouteEntry } from "./route.ts";
import type { Subscription } from "./subscription.ts";
import type { Turn } from "./turn.ts";
import type { Will } from "./will.ts";

/** Messages that leave the queue in one go before others get their turn. */
const PUMP_MAX = 256;

/** Messages told one by one when a session ends. */
const TOLD_MAX = 1_000;

const NONE = new ResendList([]);
const NO_CONSUMERS: Map<string, SessionConsumer> = new Map();

const ACKNOWLEDGED: Acknowledgement = { reasonCode: 0, reason: "" };

/** How a delivery goes out: for the first time, or again after a reconnect. */
const FIRST = false;
const AGAIN = true;

/** What the broker keeps of a client, whether it is connected or not: subscriptions, deliveries under way both ways, the queue.
 * It outlives the connection when its expiry is not 0; only then is it stored. */
export class Session implements Identity {
  readonly clientId: string;
  username: string | undefined;
  /** What the address of its client counts as; undefined where it does not, or nobody is connected. */
  address: string | undefined;
  /** The live connection, or null. */
  peer: Peer | null = null;
  /** 0 ends with the connection, 0xFFFFFFFF never. */
  expirySeconds = 0;
  /** Deliveries that may be unacknowledged at a time: the smaller of the client's Receive Maximum and the broker's limit. */
  window = 0;
  will: Will | null = null;
  /** By filter as the client wrote it; made with the first subscription. */
  subscriptions: Map<string, Subscription> | null = null;
  /** Ids of QoS 2 messages that the client has sent and not released ([MQTT-4.3.3-10]). */
  received: Set<number> | null = null;
  /** Sent, not settled. Made with the first delivery. */
  inflight: Inflight | null = null;
  /** Waiting. Made when something has to wait. */
  queue: DeliveryQueue | null = null;
  /** Its parts in the consumer groups of durable queues, by filter as the client wrote it; made with the first. */
  #consumers: Map<string, SessionConsumer> | null = null;
  /** Retained messages that subscriptions still call for, by filter; null for none. */
  #replays: Map<string, Replay> | null = null;
  /** Of those in flight, the ones that still have to be sent again on this connection, oldest first. */
  #toResend: ResendList = NONE;

  constructor(clientId: string, username: string | undefined) {
    this.clientId = clientId;
    this.username = username;
  }

  /** Whether the store knows it; from the first connection with an expiry until its end. */
  isStored = false;

  /** Whether it outlives the connection. */
  get isDurable(): boolean {
    return this.expirySeconds !== 0;
  }

  /** Whether nobody comes back to it. */
  get hasEnded(): boolean {
    return this.peer === null && !this.isDurable;
  }

  /** Whether something waits for {@link pump}, or could in a durable queue. */
  get isWaiting(): boolean {
    return this.queue !== null || this.#toResend.length > 0 || this.#replays !== null || this.#consumers !== null;
  }

  /** Whether {@link pump} would find something that it may send, as far as the window goes. */
  get canSend(): boolean {
    if (this.#toResend.length > 0 || this.inflight === null || this.inflight.size < this.window) return this.isWaiting;
    return this.queue?.peek()?.qos === 0;
  }

  /** Its consumers; only to be added to by {@link addConsumer}. */
  get consumers(): ReadonlyMap<string, SessionConsumer> {
    return this.#consumers ?? NO_CONSUMERS;
  }

  /** Its subscriptions, those to durable queues included. */
  get filterCount(): number {
    return (this.subscriptions?.size ?? 0) + (this.#consumers?.size ?? 0);
  }

  addConsumer(consumer: SessionConsumer): void {
    (this.#consumers ??= new Map()).set(consumer.stored.filter, consumer);
  }

  deleteConsumer(filter: string): void {
    this.#consumers?.delete(filter);
    if (this.#consumers?.size === 0) this.#consumers = null;
  }

  /** Whether a message that has waited may still be sent to the client that is connected: its rights may have changed meanwhile. */
  mayReceive({ topic }: Message): boolean {
    return this.peer?.policy?.mayReceive?.(this, topic.name) ?? true;
  }

  /** Whether a QoS 1 or 2 message would be sent at once. */
  get hasRoom(): boolean {
    if (this.peer === null || this.peer.congested || this.#toResend.length > 0) return false;
    return (this.queue === null || this.queue.length === 0) &&
      (this.inflight === null || this.inflight.size < this.window);
  }

  /** Sends the message if there is room, else queues it, else drops one and says so. */
  offer(message: Message, entry: RouteEntry, turn: Turn): void {
    const qos = message.qos < entry.qos ? message.qos : entry.qos;
    if (qos === 0) return this.#offerQos0(message, entry, turn);
    const delivery = deliveryOf(message, entry, qos);
    if (this.isStored || entry.group !== null) message.own(); // it may be sent again, or by another member
    if (this.hasRoom) {
      this.#send(delivery, FIRST, turn);
      writeStored(this, delivery, turn);
    } else if (!this.hasEnded && makeRoom(this, delivery, turn)) {
      this.#wait(delivery, this.isStored, turn);
    }
  }

  /** Queues the retained messages for a new subscription, in the place of what is left of those for its former one. */
  replay(replay: Replay, turn: Turn): void {
    (this.#replays ??= new Map()).set(replay.options.filter, replay);
    if (this.peer !== null) this.#takeReplays(this.#replays, turn);
    if (!this.isStored || replay.entry.qos === 0 || this.#replays?.get(replay.options.filter) !== replay) return;
    replay.isStored = true; // after a crash it begins anew, so that nothing of it is lost
    const { clientId } = this;
    turn.effects.writes.push({ kind: "subscribed", clientId, ...replay.options, isReplaying: true });
  }

  /** Queues no more of them; the subscription is gone. */
  endReplay(filter: string): void {
    this.#replays?.delete(filter);
    if (this.#replays?.size === 0) this.#replays = null;
  }

  /** Sends what waits, as far as the window and the connection allow. */
  pump(turn: Turn): void {
    this.#resend(turn);
    if (this.#replays !== null && this.peer !== null) this.#takeReplays(this.#replays, turn);
    if (this.queue !== null) this.#pumpQueue(this.queue, turn);
    if (this.#replays !== null && this.hasRoom) turn.effects.unfinished.add(this);
    if (this.#consumers === null || !this.hasRoom) return;
    for (const consumer of this.#consumers.values()) consumer.pump(turn);
  }

  #pumpQueue(queue: DeliveryQueue, turn: Turn): void {
    if (this.peer === null) return;
    this.askForMore(turn); // what was in memory may have been handed on
    let sent = 0;
    for (let delivery = queue.peek(); delivery !== undefined; delivery = queue.peek()) {
      if (this.peer.congested || this.#toResend.length > 0) return;
      if (delivery.qos > 0 && this.inflight !== null && this.inflight.size >= this.window) return;
      if (sent++ === PUMP_MAX) {
        turn.effects.unfinished.add(this);
        return;
      }
      queue.shift();
      this.askForMore(turn);
      if (delivery.message.expiresAt <= turn.now) {
        turn.drop(this.clientId, delivery.message.topic.name, "expired"); // [MQTT-3.3.2-5]
        writeDone(this, delivery, turn);
      } else if (!this.mayReceive(delivery.message)) {
        this.#deny(delivery, turn);
      } else if (delivery.qos === 0) {
        const send = this.#sendQos0(this.peer, delivery.message, turn);
        send.retain = delivery.retain;
        send.subscriptionIds = delivery.subscriptionIds;
        writeDone(this, delivery, turn);
      } else {
        this.#send(delivery, FIRST, turn);
        writeSent(this, delivery, turn);
      }
    }
    if (queue.length === 0) this.queue = null;
  }

  /** Sends a message of a durable queue. There is room for it ({@link hasRoom}). Of QoS 2 the packet id is stored before it is sent: after
   * a crash the client may know it, and is sent PUBREL. */
  sendQueued(
    message: Message,
    terms: { qos: QoS; subscriptionIds: readonly number[] | null; hold: Hold },
    turn: Turn,
  ): Delivery {
    const { qos, subscriptionIds, hold } = terms;
    const delivery = new Delivery(message, { qos, retain: false, subscriptionIds, group: null });
    delivery.isQueued = true;
    delivery.hold = hold;
    this.#send(delivery, FIRST, turn);
    if (qos === 2) writeStored(this, delivery, turn);
    return delivery;
  }

  /** Forgets what durable queues had given it, but for packet ids of QoS 2: the client may have taken the message, and would take another
   * one with that id for the same. There only PUBREL is left to be sent. */
  dropQueued(): void {
    for (const delivery of [...this.inflight?.values() ?? []]) {
      if (!delivery.isQueued || delivery.state === "released") continue;
      if (delivery.qos === 2 && this.isDurable) delivery.state = "released";
      else this.inflight!.delete(delivery.packetId);
    }
  }

  /** Takes the next deliveries from the store, and sends what it can. None at all means that the store has no more. */
  refill(deliveries: readonly Delivery[], turn: Turn): void {
    const { queue } = this;
    if (queue === null) return;
    queue.refill(deliveries);
    evictExcess(this, queue, turn);
    this.askForMore(turn);
    this.pump(turn);
  }

  /** Gets everything unacknowledged ready to be sent again, in its order, with its packet ids ([MQTT-4.4.0-1], [MQTT-4.6.0-1]). */
  resume(turn: Turn): void {
    this.#toResend = this.inflight === null
      ? NONE
      : new ResendList([...this.inflight.values()].filter((each) => this.#mayResend(each, turn)));
    this.pump(turn);
  }

  /** What the client has already (PUBREC) is completed whatever its rights are by now. */
  #mayResend(delivery: Delivery, turn: Turn): boolean {
    if (delivery.state === "released" || this.mayReceive(delivery.message)) return true;
    this.inflight!.delete(delivery.packetId);
    this.#deny(delivery, turn);
    return false;
  }

  #deny(delivery: Delivery, turn: Turn): void {
    turn.drop(this.clientId, delivery.message.topic.name, "not-authorized");
    writeDone(this, delivery, turn);
  }

  /** The connection is gone; nothing is being sent again. */
  pause(): void {
    this.peer = null;
    this.#toResend = NONE;
  }

  /** Ends a delivery: acknowledged, refused by the client or given up. False when the id is not in use. */
  settle(packetId: number, turn: Turn, answer: Acknowledgement = ACKNOWLEDGED): boolean {
    const delivery = this.inflight?.get(packetId);
    if (delivery === undefined) return false;
    this.inflight!.delete(packetId);
    if (delivery.hold !== null) delivery.answerHold(answer, turn);
    if (this.#toResend.length > 0) this.#toResend.delete(delivery);
    writeDone(this, delivery, turn);
    this.pump(turn);
    return true;
  }

  /** QoS 2: the client has the message; from here on only PUBREL is sent. False when the id is not in use. */
  release(packetId: number, turn: Turn): boolean {
    const delivery = this.inflight?.get(packetId);
    if (delivery === undefined) return false;
    if (delivery.state === "released") return true;
    delivery.state = "released";
    if (delivery.hold !== null) delivery.answerHold(ACKNOWLEDGED, turn);
    writeReleased(this, delivery, turn);
    return true;
  }

  /** Notes that a QoS 2 message with this id was taken. False when it was before ([MQTT-4.3.3-10]). */
  receive(packetId: number, turn: Turn): boolean {
    const received = this.received ??= new Set();
    if (received.has(packetId)) return false;
    received.add(packetId);
    if (this.isStored) turn.effects.writes.push({ kind: "packet-id-received", clientId: this.clientId, packetId });
    return true;
  }

  /** PUBREL: the id is free again. False when it was not in use. */
  forget(packetId: number, turn: Turn): boolean {
    if (this.received?.delete(packetId) !== true) return false;
    if (this.isStored) turn.effects.writes.push({ kind: "packet-id-released", clientId: this.clientId, packetId });
    return true;
  }

  /** Takes out what another member of its shared group may deliver instead: what waits, and of what was sent QoS 1, or all, or nothing.
   * QoS 2 that was sent to a client stays, it must be completed here ([MQTT-4.8.2-4]). Oldest first; the caller ends each with
   * {@link writeDone}. */
  takeShared(wanted: (delivery: Delivery) => boolean, sent: "qos-1" | "all" | "waiting"): Delivery[] {
    const taken: Delivery[] = [];
    for (const delivery of this.inflight?.values() ?? []) {
      const isMovable = sent === "all" || (sent === "qos-1" && delivery.qos === 1);
      if (delivery.group !== null && isMovable && wanted(delivery)) taken.push(delivery);
    }
    for (const delivery of taken) this.inflight!.delete(delivery.packetId);
    return taken.concat(this.queue?.take((each) => each.group !== null && wanted(each)) ?? []);
  }

  /** The session has ended: counts what it takes with it, and tells it as long as that is not too much, but for retained messages that
   * a new subscription called for. */
  dropAll(turn: Turn): void {
    let count = 0;
    for (const delivery of [...this.inflight?.values() ?? [], ...this.queue ?? []]) {
      if (delivery.isReplay || delivery.isQueued) continue; // what is queued its queue keeps
      if (count++ < TOLD_MAX) turn.drop(this.clientId, delivery.message.topic.name, "session-ended");
    }
    turn.countDropped("session-ended", Math.max(0, count - TOLD_MAX) + (this.queue?.spilledCount ?? 0));
    this.queue?.discard();
    this.queue = this.inflight = this.#replays = null;
  }

  /** Puts back what a restart found. */
  restore(delivery: Delivery, turn: Turn): void {
    if (delivery.state === "waiting") this.queueOn(turn).push(delivery);
    else (this.inflight ??= new Inflight()).restore(delivery);
  }

  /** Notes what a restart left in the store. */
  restoreBacklog(backlog: { total: number; count: number; bytes: number; shared: number }, turn: Turn): void {
    this.queueOn(turn).restoreSpilled(backlog, turn.limits.queueQos0);
  }

  /** Its queue, made where there is none. */
  queueOn(turn: Turn): DeliveryQueue {
    return this.queue ??= new DeliveryQueue(turn.windows);
  }

  /** Fills the queue with retained messages; they wait for room however long it is otherwise. */
  #takeReplays(replays: ReadonlyMap<string, Replay>, turn: Turn): void {
    for (const replay of replays.values()) { // once through: a map that has lost its first ten thousand goes over them each time it begins
      if (!this.#takeReplay(replay, turn)) return;
      this.endReplay(replay.options.filter);
      if (replay.isStored) turn.effects.writes.push({ kind: "subscribed", clientId: this.clientId, ...replay.options });
    }
  }

  /** Takes what there is room for; whether that is all. */
  #takeReplay(replay: Replay, turn: Turn): boolean {
    while (this.queue === null || this.queue.length < REPLAYED_MAX) {
      if (turn.effects.replaySteps++ >= REPLAY_STEPS_MAX) return false;
      const message = replay.next(turn.now);
      if (message === undefined) return true;
      if (message !== null) this.#waitReplayed(message, replay.entry, turn);
    }
    return false;
  }

  #waitReplayed(message: Message, entry: RouteEntry, turn: Turn): void {
    const qos = message.qos < entry.qos ? message.qos : entry.qos;
    // Messages of $SYS are not stored; a session that is gets a copy with a body of its own.
    const isUnstored = message.bodyId === 0 && this.isStored;
    const delivery = deliveryOf(isUnstored ? message.copy() : message, entry, qos);
    delivery.isReplay = true;
    this.#wait(delivery, this.isStored && qos > 0, turn);
  }

  #offerQos0(message: Message, entry: RouteEntry, turn: Turn): void {
    const { peer, queue } = this;
    if (peer !== null && !peer.congested && (queue === null || !queue.holdsQos0)) {
      const send = this.#sendQos0(peer, message, turn);
      send.retain = message.retain && entry.retainAsPublished;
      send.subscriptionIds = entry.subscriptionIds;
      return;
    }
    if (peer === null && !(this.isDurable && turn.limits.queueQos0)) return;
    const isStored = peer === null || queue?.holdsSpilledQos0 === true;
    if (isStored && turn.isStoreFull) return turn.drop(this.clientId, message.topic.name, "queue-full");
    if (peer !== null && peer.congested) return turn.drop(this.clientId, message.topic.name, "client-congested");
    const delivery = deliveryOf(message, entry, 0);
    message.own();
    if (makeRoom(this, delivery, turn)) this.#wait(delivery, isStored, turn);
  }

  /** To be given the terms of the subscriber. */
  #sendQos0(peer: Peer, message: Message, turn: Turn): Send {
    const send = turn.effects.publish(peer, message);
    send.session = this;
    send.qos = 0;
    send.dup = false;
    send.packetId = 0;
    this.#delivered(message, 0, turn);
    return send;
  }

  #send(delivery: Delivery, isAgain: boolean, turn: Turn): void {
    const packetId = isAgain ? delivery.packetId : (this.inflight ??= new Inflight()).add(delivery);
    delivery.state = "sent";
    const send = turn.effects.publish(this.peer!, delivery.message);
    send.session = this;
    send.qos = delivery.qos;
    send.dup = isAgain; // [MQTT-3.3.1-1], [MQTT-3.3.1-3]
    send.packetId = packetId;
    send.retain = delivery.retain;
    send.subscriptionIds = delivery.subscriptionIds;
    this.#delivered(delivery.message, send.qos, turn);
  }

  #resend(turn: Turn): void {
    while (this.#toResend.length > 0 && this.peer !== null && !this.peer.congested) {
      const outstanding = this.inflight!.size - this.#toResend.length;
      if (outstanding >= this.window) return;
      const delivery = this.#toResend.shift()!;
      if (delivery.state === "released") turn.effects.acknowledge(3, this.peer, delivery.packetId);
      else this.#send(delivery, AGAIN, turn);
    }
  }

  /** Queues the delivery; one that is stored stays out of memory when others wait in the store before it. */
  #wait(delivery: Delivery, isStored: boolean, turn: Turn): void {
    const queue = this.queueOn(turn);
    if (isStored) writeStored(this, delivery, turn);
    if (delivery.sequence > 0 && queue.isWindowFull) {
      queue.spill(delivery);
    } else {
      delivery.message.own();
      queue.push(delivery);
    }
  }

  /** Asks for what only the store has of the queue, where that has room for it. */
  askForMore(turn: Turn): void {
    const { queue } = this;
    if (queue === null || !queue.wantsRefill) return;
    queue.isLoading = true;
    turn.effects.loads.push(this);
  }

  #delivered(message: Message, qos: QoS, turn: Turn): void {
    turn.statistics.messagesDelivered++;
    if (!turn.watchesMessages) return;
    turn.effects.happenings.push({ kind: "message-delivered", clientId: this.clientId, message: message.own(), qos });
  }
}

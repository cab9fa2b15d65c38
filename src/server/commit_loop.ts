import { Effects, type Send, SendKind } from "../core/effects.ts";
import { FILTER_WORK_MAX } from "../core/filter_work.ts";
import type { Happening } from "../core/happening.ts";
import type { Mutation } from "../core/mutation.ts";
import type { Peer, Store } from "../core/ports.ts";
import type { QueueLoad } from "../core/queue/load.ts";
import type { Session } from "../core/session.ts";
import type { Turn } from "../core/turn.ts";
import { Transmissions, type Transmitting } from "./transmissions.ts";

/** Someone that the loop can speak to: an MQTT connection, or a subscription of the program itself. */
export interface Speaker extends Peer, Transmitting {
  /** Whether it has been told that it is connected, so that a message may overtake what waits for the disk. */
  readonly isOpen: boolean;
  /** SUBACKs that wait for the disk: retained messages do not overtake them. Set by the loop. */
  heldSubacks: number;
  /** All answers that wait for the disk: PINGRESP does not overtake them. Set by the loop. */
  heldAnswers: number;
  speak(send: Send, turn: Turn): void;
}

/** What the loop is given to work with. */
export interface CommitLoopParts {
  readonly turn: Turn;
  readonly store: Store;
  /** Called for what came to pass, once it is as safe as the store makes it. */
  readonly onHappening: (happening: Happening) => void;
  /** Called once when a commit failed: memory is ahead of the disk, and nothing more will be said. */
  readonly onFailure: (error: unknown) => void;
  /** Called for a session whose queue goes on in the store, once everything decided before is committed. */
  readonly onLoad: (session: Session) => void;
  /** Called for a session with spilled deliveries that others could have, at the same point. */
  readonly onHandOn: (session: Session, after: number) => void;
  /** Called for what durable queues want to know of the store, at the same point. */
  readonly onQueueLoad: (load: QueueLoad) => void;
  /** Resolves when others have had their turn. */
  readonly pass: () => Promise<void>;
  /** Called at the start of each round of speaking, and at its end. */
  readonly onRoundEnd: () => void;
}

/** Sends, writes, and bytes of message bodies, held back for the disk above which connections stop being read. */
const HELD_SENDS_MAX = 50_000;
const HELD_WRITES_MAX = 100_000;
const HELD_BYTES_MAX = 4 * 1024 * 1024;

/** Sends or writes of one chunk, or work on filters, after which others get their turn, about five milliseconds of work: one message to a thousand
 * subscribers is a thousand sends, and a chunk may hold a thousand messages or requests to subscribe. */
const LADEN_SENDS = 16_384;
const LADEN_WRITES = 4_096;

/** Records of spare buffers, of 100 bytes each. */
const SPARE_SENDS_MAX = 65_536;

/** Persists, then speaks: what the core's decisions say is said when what they write is committed. Decisions that write nothing are
 * spoken at once, unless others wait before them. All decisions of one turn of the event loop share a commit. */
export class CommitLoop {
  readonly #parts: CommitLoopParts;
  readonly #spare: Effects[] = [];
  #spareSends = 0;
  readonly #transmissions: Transmissions;
  #held: Effects[] = [];
  #heldSends = 0;
  #heldWrites = 0;
  #heldBytes = 0;
  #isCommitting = false;
  #isCommitDue = false;
  #failure: { readonly error: unknown } | undefined;
  /** Who waits for the commit under way, and for the one after it. */
  #waiting: PromiseWithResolvers<void>[] = [];
  #waitingNext: PromiseWithResolvers<void>[] = [];

  constructor(parts: CommitLoopParts) {
    this.#parts = parts;
    this.#transmissions = new Transmissions(parts.pass);
  }

  /** To be called after each decision or batch of them: commits and speaks what they led to. Bytes that lie in a chunk are copied
   * when this returns. */
  settle(): void {
    const { turn } = this.#parts;
    while (!turn.effects.isEmpty) {
      const effects = turn.effects;
      turn.effects = this.#takeSpare();
      if (effects.writes.length > 0 || this.isBehind) this.#hold(effects);
      else this.#speak(effects);
    }
  }

  /** Lets the core know whether the store has room, and the world when that changes; to be settled. */
  noteRoom(): void {
    const { turn, store } = this.#parts;
    const isFull = store.isFull ?? false;
    turn.hasReserve = store.hasReserve ?? false;
    if (isFull === turn.isStoreFull) return;
    turn.isStoreFull = isFull;
    turn.effects.happenings.push({ kind: isFull ? "store-full" : "store-has-room" });
  }

  /** True while so much waits for the disk that publishers should not be read. */
  get isOverloaded(): boolean {
    return this.#heldSends > HELD_SENDS_MAX || this.#heldWrites > HELD_WRITES_MAX || this.#heldBytes > HELD_BYTES_MAX;
  }

  /** Whether so much has been decided that it is to be settled, and others to get their turn, before the next packet. */
  get isLaden(): boolean {
    const { effects } = this.#parts.turn;
    return effects.length >= LADEN_SENDS || effects.writes.length >= LADEN_WRITES ||
      effects.filterWork >= FILTER_WORK_MAX;
  }

  /** Resolves when everything decided so far is on disk and has been said; rejects when the store has failed. */
  settled(): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(failed(this.#failure.error));
    if (!this.isBehind) return Promise.resolve();
    const waiting = Promise.withResolvers<void>();
    (this.#held.length > 0 ? this.#waitingNext : this.#waiting).push(waiting);
    return waiting.promise;
  }

  /** Whether something waits for the disk. */
  get isBehind(): boolean {
    return this.#held.length > 0 || this.#isCommitting;
  }

  #hold(effects: Effects): void {
    for (let i = 0; i < effects.length; i++) noteHeld(effects.sends[i], 1);
    this.#heldSends += effects.length;
    this.#passFree(effects);
    this.#held.push(effects);
    this.#heldWrites += effects.writes.length;
    this.#heldBytes += bodyBytes(effects);
    if (this.#isCommitDue || this.#isCommitting) return;
    this.#isCommitDue = true;
    queueMicrotask(() => this.#commit());
  }

  /** Says now what no promise hangs on; keeps the bytes of the others. */
  #passFree(effects: Effects): void {
    const { sends } = effects;
    let kept = 0;
    for (let i = 0; i < effects.length; i++) {
      const send = sends[i];
      const speaker = send.peer as Speaker;
      if (speaker.isOpen && isFree(send, speaker)) {
        this.#say(send);
        continue;
      }
      if (send.kind === SendKind.publish) send.message!.own();
      sends[i] = sends[kept];
      sends[kept++] = send;
    }
    this.#heldSends -= effects.length - kept;
    effects.truncate(kept);
    this.#parts.onRoundEnd();
    this.#transmissions.schedule();
  }

  #commit(): void {
    this.#isCommitDue = false;
    const batch = this.#held;
    this.#held = [];
    this.#waiting = this.#waitingNext;
    this.#waitingNext = [];
    this.#isCommitting = true;
    const writes = writesOf(batch);
    if (writes.length === 0) return this.#committed(batch); // it only waited its turn
    try {
      const done = this.#parts.store.commit(writes);
      if (done === undefined) this.#committed(batch);
      else done.then(() => this.#committed(batch), (error) => this.#fail(error));
    } catch (error) {
      this.#fail(error);
    }
  }

  #committed(batch: readonly Effects[]): void {
    let hasOpened = false;
    for (const effects of batch) {
      this.#heldSends -= effects.length;
      this.#heldWrites -= effects.writes.length;
      this.#heldBytes -= bodyBytes(effects);
      for (let i = 0; i < effects.length; i++) {
        noteHeld(effects.sends[i], -1);
        hasOpened ||= isBarrier(effects.sends[i].kind);
      }
      this.#sayAll(effects);
    }
    if (hasOpened) { for (const effects of this.#held) this.#passFree(effects); } // or what comes next would overtake it
    for (const effects of batch) this.#tell(effects); // what a watcher decides meanwhile is spoken after all of it
    this.#isCommitting = false;
    this.noteRoom();
    for (const { resolve } of this.#waiting.splice(0)) resolve();
    this.settle();
    if (this.#held.length > 0 && !this.#isCommitDue) {
      this.#isCommitDue = true;
      queueMicrotask(() => this.#commit());
    }
  }

  #fail(error: unknown): void {
    this.#failure = { error };
    this.#isCommitting = true; // for ever: nothing is said any more
    for (const { reject } of [...this.#waiting.splice(0), ...this.#waitingNext.splice(0)]) reject(failed(error));
    this.#parts.onFailure(error);
  }

  #speak(effects: Effects): void {
    this.#sayAll(effects);
    this.#tell(effects);
  }

  #sayAll(effects: Effects): void {
    for (let i = 0; i < effects.length; i++) this.#say(effects.sends[i]);
    this.#parts.onRoundEnd();
  }

  /** What is left of it once all has been said. */
  #tell(effects: Effects): void {
    for (const happening of effects.happenings) this.#parts.onHappening(happening);
    if (effects.hasErrands) this.#run(effects); // else four iterators would be made for nothing
    effects.clear();
    this.#keep(effects);
    this.#transmissions.schedule();
  }

  /** Does what is to be done when all has been said. */
  #run(effects: Effects): void {
    for (const session of effects.unfinished) {
      // Whoever has something to transmit goes on when that is written.
      if (session.peer !== null && !(session.peer as Speaker).isDirty) this.#pumpLater(session);
    }
    for (const session of effects.loads) this.#parts.onLoad(session);
    for (const load of effects.queueLoads) this.#parts.onQueueLoad(load);
    for (const { session, after } of effects.handOns) this.#parts.onHandOn(session, after);
    for (const rest of effects.rests) this.#goOnLater(rest);
  }

  /** It has not found yet what it may send: it looks on when others have had their turn. */
  #pumpLater(session: Session): void {
    this.#parts.pass().then(() => {
      session.pump(this.#parts.turn);
      this.settle();
    });
  }

  /** Does the next part of a decision when others have had their turn. */
  #goOnLater(rest: Iterator<void>): void {
    this.#parts.pass().then(() => {
      const { done } = rest.next();
      this.settle();
      if (!done) this.#goOnLater(rest);
    });
  }

  #takeSpare(): Effects {
    const spare = this.#spare.pop();
    if (spare === undefined) return new Effects();
    this.#spareSends -= spare.sends.length;
    return spare;
  }

  /** For the next decision, unless enough are kept: many buffers, each as large as its largest batch, would add up. */
  #keep(effects: Effects): void {
    if (this.#spareSends + effects.sends.length > SPARE_SENDS_MAX) return;
    this.#spareSends += effects.sends.length;
    this.#spare.push(effects);
  }

  #say(send: Send): void {
    const speaker = send.peer as Speaker;
    speaker.speak(send, this.#parts.turn);
    this.#transmissions.note(speaker);
  }
}

/** A QoS 0 message promises nothing, but retained ones do not overtake their SUBACK. PINGRESP only says that the broker is there, but a
 * client may take it to say that what it sent before has been answered, as it is by brokers without a store. */
function isFree(send: Send, speaker: Speaker): boolean {
  if (send.kind === SendKind.pingresp) return speaker.heldAnswers === 0;
  return send.kind === SendKind.publish && send.qos === 0 && speaker.heldSubacks === 0;
}

/** Counts, or counts off, an answer that waits for the disk. */
function noteHeld({ kind, peer }: Send, by: 1 | -1): void {
  if (!isAnswer(kind)) return;
  const speaker = peer as Speaker;
  speaker.heldAnswers += by;
  if (kind === SendKind.suback) speaker.heldSubacks += by;
}

/** Whether QoS 0 messages wait for it. */
function isBarrier(kind: SendKind): boolean {
  return kind === SendKind.suback || kind === SendKind.connack;
}

function isAnswer(kind: SendKind): boolean {
  return kind !== SendKind.publish && kind !== SendKind.pingresp && kind !== SendKind.disconnect;
}

function writesOf(batch: readonly Effects[]): readonly Mutation[] {
  return batch.length === 1 ? batch[0].writes : batch.flatMap((effects) => effects.writes);
}

function bodyBytes(effects: Effects): number {
  let bytes = 0;
  for (const write of effects.writes) {
    if (write.kind === "body-stored") bytes += write.payload.length + write.properties.length + write.topic.length;
    else if (write.kind === "queue-appended") bytes += write.record.payload.length;
  }
  return bytes;
}

function failed(cause: unknown): Error {
  return new Error("The store failed; what was not acknowledged may be lost", { cause });
}

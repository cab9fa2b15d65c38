/** Someone who may have something to transmit. */
export interface Transmitting {
  /** Something was said since the last `transmit`. */
  isDirty: boolean;
  /** Lets go what was said. */
  transmit(): void;
}

/** Those who transmit until others get their turn: a system call each, and the runtime serves 128 in a turn of its event loop. */
const CROWD_SERVED_MAX = 100;

/** Who has something to transmit. It is let go at the end of the turn, so that what is said to one goes out together. A crowd, as the
 * subscribers of one topic are, is served some at a time, and whoever is spoken to beside it does not wait for it: behind five thousand
 * subscribers of a flood a PINGRESP would take half a second. */
export class Transmissions {
  readonly #pass: () => Promise<void>;
  /** Who became dirty since the last {@link schedule}. */
  #fresh: Transmitting[] = [];
  readonly #few: Transmitting[] = [];
  readonly #crowd: Transmitting[] = [];
  /** So many of the crowd have been served. */
  #served = 0;
  #isDue = false;
  #isServingCrowd = false;

  /** `pass` resolves when others have had their turn. */
  constructor(pass: () => Promise<void>) {
    this.#pass = pass;
  }

  /** Something has been said to `speaker`. */
  note(speaker: Transmitting): void {
    if (speaker.isDirty) return;
    speaker.isDirty = true;
    this.#fresh.push(speaker);
  }

  /** All has been said that belongs together. */
  schedule(): void {
    if (this.#fresh.length === 0) return;
    if (this.#fresh.length > CROWD_SERVED_MAX) return this.#scheduleCrowd();
    for (const speaker of this.#fresh) this.#few.push(speaker);
    this.#fresh.length = 0;
    if (this.#isDue) return;
    this.#isDue = true;
    queueMicrotask(() => this.#serveFew());
  }

  #scheduleCrowd(): void {
    for (const speaker of this.#fresh) this.#crowd.push(speaker);
    this.#fresh = [];
    if (this.#isServingCrowd) return;
    this.#isServingCrowd = true;
    queueMicrotask(() => this.#serveCrowd());
  }

  #serveFew(): void {
    this.#isDue = false;
    for (let i = 0; i < this.#few.length; i++) serve(this.#few[i]); // transmitting may add some
    this.#few.length = 0;
  }

  #serveCrowd(): void {
    const end = Math.min(this.#served + CROWD_SERVED_MAX, this.#crowd.length);
    while (this.#served < end) serve(this.#crowd[this.#served++]);
    if (this.#served < this.#crowd.length) return void this.#pass().then(() => this.#serveCrowd());
    this.#crowd.length = this.#served = 0;
    this.#isServingCrowd = false;
  }
}

function serve(speaker: Transmitting): void {
  speaker.isDirty = false;
  speaker.transmit();
}

/** Reads that are asked for between two looks of the runtime at its sockets. tokio serves 128 socket operations in a turn of its event
 * loop and puts the others off, whoever has waited longest last: with 1,000 busy sockets some got 350 messages while others got 4, at
 * a p99 of 200 to 300 ms (docs/performance.md). Below the 128 nobody is put off. */
const TURN_READS_MAX = 100;
/** Bytes that are read between two looks, whoever sent them. What a flood sends is always ready and is read on in microtasks: with 2 MiB
 * between two looks it raised the 99th percentile of another client's round trips from 0.3 to 6.7 ms, with this not at all, and at the
 * same throughput. */
const TURN_BYTES_MAX = 64 * 1024;
/** Served readers that are kept in the list before it is cut. */
const SERVED_KEPT_MAX = 4096;

/** Someone that wants to read on. */
export interface Reader {
  read(): void;
}

/** Lets every connection of a process have its turn: who was read waits behind those that asked before. Up to 100 at a time read on at
 * once; beyond, and after 64 KiB, the next wait until the runtime has looked at its sockets again, which a byte sent to ourselves tells. */
export class ReadRounds {
  #waiting: Reader[] = [];
  #next = 0;
  #isDue = false;
  #bytes = 0;
  #isClosed = false;
  #trip: Promise<Trip> | undefined;

  /** Asks for the next read of `reader`, which has just read `bytes`. */
  again(reader: Reader, bytes: number): void {
    this.#bytes += bytes;
    this.#waiting.push(reader);
    if (this.#isDue) return;
    this.#isDue = true;
    if (this.#bytes >= TURN_BYTES_MAX) this.#goOnLater();
    else queueMicrotask(this.#turn); // behind whoever else was served with this one
  }

  /** Resolves when everybody else has had their turn, after a look at the sockets: for who has much to do. */
  pass(): Promise<void> {
    return new Promise((resolve) => this.again({ read: resolve }, TURN_BYTES_MAX));
  }

  /** Gives the sockets back; to be called when nobody reads any more. */
  close(): void {
    this.#isClosed = true;
    this.#trip?.then((trip) => trip.close(), () => {}); // it never opened
    this.#trip = undefined;
  }

  readonly #turn = (): void => {
    const end = Math.min(this.#next + TURN_READS_MAX, this.#waiting.length);
    while (this.#next < end) this.#waiting[this.#next++].read();
    this.#isDue = this.#next < this.#waiting.length;
    if (!this.#isDue) this.#waiting.length = this.#next = 0;
    else this.#goOnLater();
  };

  #goOnLater(): void {
    if (this.#next > SERVED_KEPT_MAX) {
      this.#waiting = this.#waiting.slice(this.#next);
      this.#next = 0;
    }
    this.#bytes = 0;
    if (this.#isClosed) return queueMicrotask(this.#turn);
    this.#look().then(this.#turn);
  }

  /** Resolves when the runtime has looked at its sockets. Without a trip, as when there are no file descriptors left, it is at once: unfair,
   * and served all the same. The next time tries again. */
  async #look(): Promise<void> {
    const trip = this.#trip ??= Trip.open();
    try {
      await (await trip).take();
    } catch {
      if (this.#trip !== trip) return; // closed meanwhile
      this.#trip = undefined;
      trip.then((broken) => broken.close(), () => {}); // it never opened
    }
  }
}

/** A byte to ourselves over loopback, 13 microseconds; `setImmediate` and `MessageChannel` come back without a look at the sockets. */
class Trip {
  readonly #from: Deno.TcpConn;
  readonly #to: Deno.TcpConn;
  readonly #byte = new Uint8Array(1);

  private constructor(from: Deno.TcpConn, to: Deno.TcpConn) {
    this.#from = from;
    this.#to = to;
  }

  static async open(): Promise<Trip> {
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const from = await Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port });
    try {
      from.setNoDelay(true);
      for (;;) {
        const to = await listener.accept();
        if (to.remoteAddr.port === from.localAddr.port) return new Trip(from, to);
        to.close(); // somebody else was quicker
      }
    } catch (error) {
      from.close();
      throw error;
    }
  }

  async take(): Promise<void> {
    const back = this.#to.read(this.#byte);
    await this.#from.write(this.#byte);
    await back;
  }

  close(): void {
    this.#from.close();
    this.#to.close();
  }
}

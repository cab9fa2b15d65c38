/** Reads that are asked for between two looks of the runtime at its sockets. tokio serves 128 socket operations in a turn of its event
 * loop and puts the others off, whoever has waited longest last: with 1,000 busy sockets some got 350 messages while others got 4, at
 * a p99 of 200 to 300 ms (docs/performance.md). Below the 128 nobody is put off. */
const TURN_READS_MAX = 100;
/** Bytes that are read between two looks, whoever sent them. What a flood sends is always ready and is read on in microtasks: with 2 MiB
 * between two looks it raised the 99th percentile of another client's round trips from 0.3 to 6.7 ms, with this not at all, and at the
 * same throughput. */
const TURN_BYTES_MAX = 64 * 1024;
/** Who has had so much at a time waits in the second row, of which so much has its turn between two looks, three milliseconds of work. 64 KiB
 * would be fairer still, and take a hundred pairs at full load 7% more processor time. */
const MUCH_BYTES_MIN = 4 * 1024;
const MUCH_TURN_BYTES_MAX = 512 * 1024;
/** What the end of a connection counts as. */
const END_BYTES = 16 * 1024;
/** Served readers that are kept in a row before it is cut. */
const SERVED_KEPT_MAX = 4096;

/** Someone that wants to read on. */
export interface Reader {
  read(): void;
}

/** Lets every connection of a process have its turn: who was read waits behind those that asked before. Up to 100 at a time read on at
 * once; beyond, and after 64 KiB, the next wait until the runtime has looked at its sockets again, which a byte sent to ourselves tells.
 * Who has much to do, or has gone, waits in a row of its own: beside 300 clients that each send 900 KB everybody would have to wait for 32 KiB of
 * all of them, and for the ends of ten thousand that go at once. */
export class ReadRounds {
  readonly #row = new Row();
  readonly #rowOfMuch = new Row();
  #isDue = false;
  #bytes = 0;
  #isClosed = false;
  #trip: Promise<Trip> | undefined;

  /** Asks for the next read of `reader`, which has just read `bytes`. */
  again(reader: Reader, bytes: number): void {
    this.#bytes += bytes;
    (bytes < MUCH_BYTES_MIN ? this.#row : this.#rowOfMuch).push(reader, bytes);
    if (this.#isDue) return;
    this.#isDue = true;
    if (this.#bytes >= TURN_BYTES_MAX) this.#goOnLater();
    else queueMicrotask(this.#turn); // behind whoever else was served with this one
  }

  /** Asks for a last turn of `reader`, whose connection has ended. */
  last(reader: Reader): void {
    this.again(reader, END_BYTES);
  }

  /** Resolves when everybody else has had their turn, after a look at the sockets: for who has much to do. */
  pass(): Promise<void> {
    return new Promise((resolve) => this.again({ read: resolve }, MUCH_TURN_BYTES_MAX));
  }

  /** Gives the sockets back; to be called when nobody reads any more. */
  close(): void {
    this.#isClosed = true;
    this.#trip?.then((trip) => trip.close(), () => {}); // it never opened
    this.#trip = undefined;
  }

  readonly #turn = (): void => {
    this.#row.serve(Infinity);
    this.#rowOfMuch.serve(MUCH_TURN_BYTES_MAX);
    this.#isDue = !this.#row.isEmpty || !this.#rowOfMuch.isEmpty;
    if (this.#isDue) this.#goOnLater();
  };

  #goOnLater(): void {
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

/** Who waits, in their order. */
class Row {
  #readers: Reader[] = [];
  /** What each has had last. */
  #bytes: number[] = [];
  #next = 0;

  get isEmpty(): boolean {
    return this.#next === this.#readers.length;
  }

  push(reader: Reader, bytes: number): void {
    this.#readers.push(reader);
    this.#bytes.push(bytes);
  }

  /** Lets the first ones read, until they have had so many bytes the last time. */
  serve(bytesMax: number): void {
    const end = Math.min(this.#next + TURN_READS_MAX, this.#readers.length);
    for (let bytes = 0; this.#next < end && bytes < bytesMax;) {
      bytes += this.#bytes[this.#next];
      this.#readers[this.#next++].read();
    }
    if (this.isEmpty) this.#readers.length = this.#bytes.length = this.#next = 0;
    else if (this.#next > SERVED_KEPT_MAX) this.#cut();
  }

  #cut(): void {
    this.#readers = this.#readers.slice(this.#next);
    this.#bytes = this.#bytes.slice(this.#next);
    this.#next = 0;
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

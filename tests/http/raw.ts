import { inTime } from "../embedding/waiting.ts";

/** A socket on which HTTP is written by hand. */
export class RawHttp implements Disposable {
  readonly #conn: Deno.Conn;

  private constructor(conn: Deno.Conn) {
    this.#conn = conn;
  }

  static async open(port: number): Promise<RawHttp> {
    return new RawHttp(await Deno.connect({ hostname: "127.0.0.1", port }));
  }

  /** What is answered to `text`, until the other side closes or `isWhole` says that it is enough. */
  static async exchange(port: number, text: string, isWhole?: (answer: string) => boolean): Promise<string> {
    using raw = await RawHttp.open(port);
    await raw.write(text).catch(() => {}); // it may have been cut while we were speaking
    return await raw.read(isWhole);
  }

  async write(text: string): Promise<void> {
    await this.writeBytes(new TextEncoder().encode(text));
  }

  async writeBytes(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) at += await this.#conn.write(bytes.subarray(at));
  }

  async read(isWhole: (answer: string) => boolean = () => false): Promise<string> {
    let answer = "";
    const buffer = new Uint8Array(64 * 1024);
    while (!isWhole(answer)) {
      const count = await inTime(
        this.#conn.read(buffer).catch(() => null),
        `more than ${answer.length} characters`,
        20_000,
      );
      if (count === null) break;
      answer += new TextDecoder().decode(buffer.subarray(0, count));
    }
    return answer;
  }

  [Symbol.dispose](): void {
    try {
      this.#conn.close();
    } catch { /* it was closed by the other side */ }
  }
}

/** The status of an answer; 0 for none. */
export function statusOf(answer: string): number {
  return Number(/^HTTP\/1\.[01] (\d{3})/.exec(answer)?.[1] ?? 0);
}

/** Whether the headers and a body of the length that they tell are there. */
export function isWholeAnswer(answer: string): boolean {
  const end = answer.indexOf("\r\n\r\n");
  if (end < 0) return false;
  const length = /\r\ncontent-length: (\d+)/i.exec(answer)?.[1];
  return length !== undefined && new TextEncoder().encode(answer.slice(end + 4)).length >= Number(length);
}

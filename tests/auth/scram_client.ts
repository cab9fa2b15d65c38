import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { createHash, createHmac, pbkdf2Sync, randomBytes } from "node:crypto";

/** The server-first message, taken apart. */
export interface ServerFirst {
  readonly nonce: string;
  readonly salt: Buffer;
  readonly iterations: number;
}

/** The client's side of SCRAM-SHA-256, written from RFC 5802 with node:crypto and nothing of the broker's. The fields may be set to make
 * a client that misbehaves. */
export class ScramClient {
  readonly nonce: string;
  header = "n,,";
  /** Between nonce and proof of the final message. */
  channelBinding: string | undefined;
  readonly #name: string;
  readonly #password: string;
  #serverFirst = "";
  #authMessage = "";
  #salted: Uint8Array = Buffer.alloc(0);

  constructor(username: string, password: string, nonce: string = randomBytes(18).toString("base64")) {
    this.#name = username.replaceAll("=", "=3D").replaceAll(",", "=2C");
    this.#password = password;
    this.nonce = nonce;
  }

  get firstBare(): string {
    return `n=${this.#name},r=${this.nonce}`;
  }

  first(): Buffer {
    return Buffer.from(this.header + this.firstBare);
  }

  /** Takes the server's first message; its nonce must go on from ours. */
  onServerFirst(message: Uint8Array): ServerFirst {
    this.#serverFirst = Buffer.from(message).toString();
    const match = /^r=([^,]+),s=([A-Za-z0-9+/=]+),i=([1-9][0-9]*)$/.exec(this.#serverFirst);
    assert.ok(match !== null, `not a server-first message: ${this.#serverFirst}`);
    const first = { nonce: match[1], salt: Buffer.from(match[2], "base64"), iterations: Number(match[3]) };
    assert.ok(first.nonce.startsWith(this.nonce) && first.nonce.length > this.nonce.length, "the nonce is not ours");
    return first;
  }

  /** The final message, with the proof of the password. `saltedPassword` spares the work of an iteration count that is a decoy's. */
  final(first: ServerFirst, saltedPassword?: Buffer): Buffer {
    this.#salted = saltedPassword ?? pbkdf2Sync(this.#password, first.salt, first.iterations, 32, "sha256");
    const binding = this.channelBinding ?? Buffer.from(this.header).toString("base64");
    const withoutProof = `c=${binding},r=${first.nonce}`;
    this.#authMessage = `${this.firstBare},${this.#serverFirst},${withoutProof}`;
    const clientKey = hmac(this.#salted, "Client Key");
    const storedKey = createHash("sha256").update(clientKey).digest();
    const signature = hmac(storedKey, this.#authMessage);
    const proof = Buffer.from(clientKey.map((byte, index) => byte ^ signature[index]));
    return Buffer.from(`${withoutProof},p=${proof.toString("base64")}`);
  }

  /** Fails unless the server has shown that it knows the user. */
  verify(serverFinal: Uint8Array): void {
    const expected = hmac(hmac(this.#salted, "Server Key"), this.#authMessage).toString("base64");
    assert.equal(Buffer.from(serverFinal).toString(), `v=${expected}`);
  }
}

function hmac(key: Uint8Array, text: string): Buffer {
  return createHmac("sha256", key).update(text).digest();
}

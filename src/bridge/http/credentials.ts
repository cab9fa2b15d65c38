import { textOfPayload } from "../fields.ts";
import { CHALLENGE, HttpProblem } from "./problem.ts";

/** Basic has a name and a password (RFC 7617), Bearer a token, which is handed on as a password without a name (RFC 6750).
 * @throws {HttpProblem} 401 for what is neither */
export function readCredentials(headers: Headers): { username?: string; password?: Uint8Array } {
  const header = headers.get("authorization");
  if (header === null) return {};
  const [, scheme, value] = /^([A-Za-z]+) +([A-Za-z0-9._~+/=-]+)$/.exec(header.trim()) ?? [];
  switch (scheme?.toLowerCase()) {
    case "bearer":
      return { password: new TextEncoder().encode(value) };
    case "basic":
      return readBasic(value);
    default:
      throw unreadable();
  }
}

function readBasic(value: string): { username: string; password: Uint8Array } {
  let bytes: Uint8Array;
  try {
    bytes = Uint8Array.fromBase64(value);
  } catch {
    throw unreadable();
  }
  const colon = bytes.indexOf(0x3a);
  const username = textOfPayload(bytes.subarray(0, Math.max(0, colon)));
  if (colon < 0 || username === undefined) throw unreadable();
  return { username, password: bytes.slice(colon + 1) };
}

function unreadable(): HttpProblem {
  const headers = { "www-authenticate": CHALLENGE };
  const detail = "Cannot read the Authorization header: it is Basic or Bearer";
  return new HttpProblem(401, "bad-authentication-method", { detail, headers });
}

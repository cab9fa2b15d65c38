import type { Guest } from "../gateway.ts";
import { CoapRefusal } from "./coap_refusal.ts";
import { Code } from "./message.ts";
import { representationOf } from "./observations.ts";
import { etagOf, isEqual } from "./representation.ts";
import type { CoapRequest } from "./request.ts";

type Conditions = Pick<CoapRequest, "ifMatch" | "ifNoneMatch">;

/** Whether a request is to be carried out in some state only (RFC 7252 section 5.10.8). */
export function isConditional({ ifMatch, ifNoneMatch }: Conditions): boolean {
  return ifNoneMatch || ifMatch.length > 0;
}

/** Refuses what is not wanted in the state that there is: the topic's retained message. Who may not read it cannot ask for one.
 * @throws {CoapRefusal} 4.12
 * @throws {Refusal} */
export function assertConditions({ ifMatch, ifNoneMatch }: Conditions, guest: Guest, topic: string): void {
  const message = guest.retained(topic);
  const etag = message && etagOf(representationOf(message));
  const isMatch = etag !== undefined && ifMatch.some((wanted) => wanted.length === 0 || isEqual(wanted, etag));
  if (ifMatch.length > 0 && !isMatch) {
    throw new CoapRefusal(Code.preconditionFailed, "Cannot publish: what is retained is not what If-Match names");
  }
  if (ifNoneMatch && etag !== undefined) {
    throw new CoapRefusal(Code.preconditionFailed, "Cannot publish: If-None-Match, and a message is retained");
  }
}

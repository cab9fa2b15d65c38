// What is committed and said, in the words of the transcripts.
import type { Happening } from "../../src/core/happening.ts";
import type { Mutation } from "../../src/core/mutation.ts";
import { isQueueMutation } from "../../src/core/queue/mutation.ts";

const decoder = new TextDecoder();

/** `enqueue alice 1 a/x`: a delivery is named by its number, as the store orders them. */
export function mutationInWords(mutation: Mutation): string {
  switch (mutation.kind) {
    case "session-saved":
      return `session ${mutation.clientId} ${mutation.offlineSince === 0 ? "here" : "away"}`;
    case "session-ended":
      return `end of session ${mutation.clientId}`;
    case "subscribed":
      return `subscription ${mutation.clientId} ${mutation.filter}`;
    case "unsubscribed":
      return `no subscription ${mutation.clientId} ${mutation.filter}`;
    case "body-stored":
      return `body ${mutation.bodyId} ${JSON.stringify(decoder.decode(mutation.payload))}`;
    case "delivery-stored": {
      const { clientId, sequence, bodyId, packetId } = mutation;
      return `${packetId > 0 ? "send" : "enqueue"} ${clientId} ${sequence} body=${bodyId}${idOf(packetId)}`;
    }
    case "delivery-sent":
      return `send ${mutation.clientId} ${mutation.sequence}${idOf(mutation.packetId)}`;
    case "delivery-released":
      return `released ${mutation.clientId} ${mutation.sequence}`;
    case "delivery-done":
      return `done ${mutation.clientId} ${mutation.sequence}`;
    case "packet-id-received":
      return `received ${mutation.clientId}${idOf(mutation.packetId)}`;
    case "packet-id-released":
      return `forget ${mutation.clientId}${idOf(mutation.packetId)}`;
    case "retained-set":
      return `retain ${mutation.topic} body=${mutation.bodyId}`;
    case "retained-cleared":
      return `no retained ${mutation.topic}`;
    case "will-saved":
      return `will ${mutation.clientId}`;
    case "will-cleared":
      return `no will ${mutation.clientId}`;
    default:
      if (isQueueMutation(mutation)) return mutation.kind;
      return mutation satisfies never;
  }
}

/** Only what nobody is told: a drop, the end of a session. */
export function happeningInWords(happening: Happening): string | undefined {
  if (happening.kind === "message-dropped") {
    return `dropped ${happening.topic} of ${happening.clientId || "nobody"}: ${happening.cause}`;
  }
  if (happening.kind === "session-ended") return `session of ${happening.clientId} ended: ${happening.cause}`;
  return undefined;
}

function idOf(packetId: number): string {
  return packetId === 0 ? "" : ` id=${packetId}`;
}

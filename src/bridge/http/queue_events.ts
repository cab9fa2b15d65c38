import { Refusal } from "../../core/refusal.ts";
import { type GuestQueueMessage, QueueFault } from "../queue_gateway.ts";

/** How soon a browser comes back when the stream has ended. */
const RETRY_MS = 1_000;

/** What a stream of messages of a queue is made of. */
export interface QueueEventsOptions {
  /** What came with the first call. */
  readonly first: readonly GuestQueueMessage[];
  /** Waits for more; none when nothing has come for a while. */
  readonly next: () => Promise<readonly GuestQueueMessage[]>;
  readonly document: (message: GuestQueueMessage) => unknown;
  /** Called once. */
  readonly onEnd: () => void;
}

/** Messages of a queue as Server-Sent Events, each with its message id; nothing is pulled before the reader asks for it. Where nothing
 * comes there is a comment. It ends with the event `end`, which says why. */
export function queueEvents({ first, next, document, onEnd }: QueueEventsOptions): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  const eventsOf = (messages: readonly GuestQueueMessage[]) =>
    messages.map((message) => `id: ${message.messageId}\ndata: ${JSON.stringify(document(message))}\n\n`).join("");
  let isCancelled = false;
  let text = `retry: ${RETRY_MS}\n\n${eventsOf(first)}`;
  return new ReadableStream({
    pull: async (controller) => {
      try {
        if (text === "") text = eventsOf(await next()) || ": \n\n";
        if (isCancelled) return;
        controller.enqueue(encoder.encode(text));
        text = "";
      } catch (error) {
        if (isCancelled) return;
        onEnd();
        controller.enqueue(encoder.encode(`event: end\ndata: ${JSON.stringify({ cause: causeOf(error) })}\n\n`));
        controller.close();
      }
    },
    cancel: () => {
      isCancelled = true;
      onEnd();
    },
  }, { highWaterMark: 0 });
}

function causeOf(error: unknown): string {
  if (error instanceof Refusal) return error.refusal;
  if (error instanceof QueueFault) return "not-found";
  throw error;
}

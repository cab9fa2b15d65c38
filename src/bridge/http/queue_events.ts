import { Refusal } from "../../core/refusal.ts";
import { type GuestQueueMessage, QueueFault } from "../queue_gateway.ts";

/** How soon a browser comes back when the stream has ended. */
const RETRY_MS = 1_000;

/** Who takes messages of a queue for as long as somebody reads them. */
export interface QueueReader {
  /** Given back at the end. */
  readonly place: Disposable;
  /** Aborted when nobody reads any more. */
  readonly signal: AbortSignal;
  /** Waits so long for messages, or until `signal` is aborted. */
  readonly pull: (waitMs: number, signal: AbortSignal) => Promise<readonly GuestQueueMessage[]>;
  readonly heartbeatMs: number;
  readonly document: (message: GuestQueueMessage) => unknown;
  /** Leaves the group; called once, when nothing is pulled any more. */
  readonly leave: () => Promise<void>;
}

/** Messages of a queue as Server-Sent Events, each with its message id; but for the first ones nothing is pulled before somebody asks for
 * it. Where nothing comes there is a comment. It ends with the event `end`, which says why.
 * @throws as pulling the first ones is refused */
export async function openQueueEvents(reader: QueueReader): Promise<ReadableStream<Uint8Array>> {
  const cancelled = new AbortController();
  const texts = textsOf({ ...reader, signal: AbortSignal.any([reader.signal, cancelled.signal]) });
  const opening = await texts.next();
  const encoder = new TextEncoder();
  const pass = (controller: ReadableStreamDefaultController<Uint8Array>, next: IteratorResult<string, void>) => {
    if (next.done) controller.close();
    else controller.enqueue(encoder.encode(next.value));
  };
  return new ReadableStream({
    start: (controller) => pass(controller, opening),
    pull: async (controller) => {
      const next = await texts.next();
      if (!cancelled.signal.aborted) pass(controller, next);
    },
    cancel: async () => {
      cancelled.abort();
      await texts.return();
    },
  }, { highWaterMark: 0 });
}

/** The whole life of a stream, whether it ends by itself or is cancelled: that waits for the pull under way. */
async function* textsOf(
  { place, signal, pull, heartbeatMs, document, leave }: QueueReader,
): AsyncGenerator<string, void, void> {
  using _place = place;
  const eventsOf = (messages: readonly GuestQueueMessage[]) =>
    messages.map((message) => `id: ${message.messageId}\ndata: ${JSON.stringify(document(message))}\n\n`).join("");
  const first = await pull(0, signal);
  let cause: string;
  try {
    yield `retry: ${RETRY_MS}\n\n${eventsOf(first)}`;
    for (;;) yield eventsOf(await pull(heartbeatMs, signal)) || ": \n\n";
  } catch (error) {
    cause = causeOf(error);
  } finally {
    await leave();
  }
  yield `event: end\ndata: ${JSON.stringify({ cause })}\n\n`;
}

function causeOf(error: unknown): string {
  if (error instanceof Refusal) return error.refusal;
  if (error instanceof QueueFault) return "not-found";
  throw error;
}

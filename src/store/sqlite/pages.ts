import { QUEUE_WINDOW_BYTES, QUEUE_WINDOW_MESSAGES, WindowTotal } from "../../core/delivery_queue.ts";
import type { StoredBacklog } from "../../core/mutation.ts";
import type { PageRequest } from "../../core/ports.ts";
import type { DeliveryRow } from "./rows.ts";
import type { PageStatements, Statements } from "./statements.ts";

/** The next waiting deliveries of a session, bounded in number and bytes; the first one comes whatever it weighs. Nothing beyond the
 * bounds is read. */
export function pageRows(
  statements: PageStatements,
  session: number,
  { after, limit, bytesMax }: Pick<PageRequest, "after" | "limit" | "bytesMax">,
): DeliveryRow[] {
  const { bytes } = statements.weight.get(session, after, limit) as { bytes: number | null };
  const isTooHeavy = bytes !== null && bytes > bytesMax;
  const count = isTooHeavy ? statements.cut.get(session, after, limit, bytesMax)!.count as number : limit;
  return statements.rows.all(session, after, count) as unknown as DeliveryRow[];
}

/** Reads what a start gets of each session, and counts what it leaves. */
export class FirstPages {
  readonly #statements: Statements;
  readonly #windows = new WindowTotal();
  /** What stays in the store. */
  readonly backlogs: StoredBacklog[] = [];

  constructor(statements: Statements) {
    this.#statements = statements;
  }

  /** All that was sent and not settled, and the front of what waits while there is memory for it; by sequence. */
  read(clientId: string, session: number): DeliveryRow[] {
    const { page, sent, backlog } = this.#statements;
    const rows = sent.all(session) as unknown as DeliveryRow[];
    const limits = { after: 0, limit: QUEUE_WINDOW_MESSAGES, bytesMax: QUEUE_WINDOW_BYTES };
    const waiting = this.#windows.isFull ? [] : pageRows(page, session, limits);
    for (const { bytes } of waiting) this.#windows.add(bytes);
    const row = backlog.get(session, waiting.at(-1)?.id ?? 0) as Omit<StoredBacklog, "clientId">;
    if (row.total > 0) this.backlogs.push({ clientId, ...row });
    return rows.concat(waiting).sort((a, b) => a.id - b.id);
  }
}

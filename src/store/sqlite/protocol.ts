import type { StoredState } from "../../core/mutation.ts";
import type { PageRequest } from "../../core/ports.ts";
import type { PackedPage } from "./packed_page.ts";
import type { Batch } from "./runs.ts";
import type { OpenOptions } from "./sqlite_store.ts";

/** What the store asks of its Worker; answered in order, one answer each. */
export type StoreRequest =
  | { readonly kind: "open"; readonly path: string; readonly options: OpenOptions }
  | { readonly kind: "load" }
  | { readonly kind: "commit"; readonly batch: Batch }
  | { readonly kind: "page"; readonly request: PageRequest }
  | { readonly kind: "maintain" }
  | { readonly kind: "close" };

/** What the Worker answers. Errors cross as text: their classes do not. */
export type StoreReply =
  | { readonly kind: "done"; readonly isFull: boolean }
  | { readonly kind: "loaded"; readonly state: StoredState }
  | { readonly kind: "paged"; readonly page: PackedPage }
  | { readonly kind: "maintained"; readonly hasMore: boolean; readonly isFull: boolean }
  | { readonly kind: "failed"; readonly message: string };

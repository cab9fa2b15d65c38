import type { Turn } from "../turn.ts";

/** Something that falls due. */
export interface Due {
  due(turn: Turn): void;
}

/** What a node of the demo tells the demo. JSON on the way, so the date of a change is a number here, ms. */
import type { ChangeCause } from "../../src/index.ts";

export interface Told {
  readonly user: string;
  readonly type: "online" | "offline";
  readonly cause: ChangeCause;
  /** When it was folded, ms on the clock of Redis. */
  readonly at: number;
  /** Id of the entry of `changes`. */
  readonly id: string;
}

export type NodeMessage =
  /** It is registered, hears of changes from now on and takes connections. */
  | { readonly type: "ready"; readonly url: string; readonly processIds: readonly string[] }
  | { readonly type: "change"; readonly change: Told };

/** The messages of a node to the demo. They are sent as JSON, so the date of a change is a number, ms. */
import type { ChangeCause } from "../../src/index.ts";

export interface Told {
  readonly user: string;
  readonly type: "online" | "offline";
  readonly cause: ChangeCause;
  /** When it was folded, ms on Redis's clock. */
  readonly at: number;
  /** Id of the entry of `changes`. */
  readonly id: string;
}

export type NodeMessage =
  /** The node is registered, receives changes from now on and accepts connections. */
  | { readonly type: "ready"; readonly url: string; readonly processIds: readonly string[] }
  | { readonly type: "change"; readonly change: Told };

/** What the driver gives a node, and what a node tells the driver. */
import type { Told } from "./history.ts";

export interface NodeSettings {
  readonly redis: string;
  readonly prefix: string;
  readonly shards: number;
  readonly ttl: number;
  readonly grace: number;
  /** Does it call the projector itself, or are there only the projectors in processes of their own? */
  readonly project: boolean;
}

export type NodeMessage =
  | { readonly type: "ready"; readonly url: string }
  | { readonly type: "change"; readonly change: Told }
  /** The same in a room. */
  | { readonly type: "moved"; readonly room: string; readonly change: Told }
  /** How many users its mirror has, whenever that is another number. */
  | { readonly type: "mirror"; readonly size: number }
  | { readonly type: "note"; readonly text: string };

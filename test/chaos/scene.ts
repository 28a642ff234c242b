/** What a fault is, and what it is given to work with. */
import type { Random } from "../../rig/random.ts";
import type { Crowd } from "./crowd.ts";
import type { Fleet, Member } from "./fleet.ts";
import type { NodeSettings } from "./messages.ts";
import type { Store } from "./store.ts";

export interface Scene {
  readonly fleet: Fleet;
  readonly crowd: Crowd;
  readonly store: Store;
  readonly settings: Omit<NodeSettings, "redis">;
  /** Of this one fault: what it hits and for how long. */
  readonly random: Random;
  readonly signal: AbortSignal;
  /** Waits, as part of the fault. */
  readonly pause: (ms: number) => Promise<void>;
  /**
   * Resolves when presence has agreed with the clients twice in a row and knows the nodes that are up, and no others, by
   * records of after this call, so a heartbeat's time is part of it; writes down how long it took.
   * Later than `bound` ms is a failure of the run, and never ends the run.
   */
  readonly healed: (bound: number) => Promise<void>;
  /**
   * Until this fault is over, whoever has a socket on this node, or everybody, may be told to be offline and be there
   * all the same; the table counts them apart.
   */
  readonly excuse: (whom: Member | "everybody") => void;
  /** One line for the list of events. */
  readonly note: (text: string) => void;
}

export interface Fault {
  readonly name: string;
  /** Injects it, takes its cause away and waits until all is well again. */
  readonly run: (scene: Scene) => Promise<void>;
}

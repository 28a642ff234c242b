/** What can go wrong, by name. Each history draws its own selection; `--faults` restricts what it may draw from. */
export const FAULTS = [
  /** The connection breaks before a request arrives. */
  "lose-request",
  /** The connection breaks after the request was carried out and before the reply arrives. */
  "lose-reply",
  /** The connection breaks inside a pipeline: its first commands are carried out, the others are not. */
  "cut",
  /** A request or its reply takes seconds. It may arrive after its sender has given up. */
  "delay",
  /** A request arrives a second time, up to seconds later. */
  "duplicate",
  /** Another client's commands run between those of a pipeline. */
  "interleave",
  /** A process and Redis cannot reach each other for a while. */
  "partition",
  /** A process ends without a word; it may be started again under a new id. */
  "crash",
  /** A process does nothing for a while, often for longer than its lease. */
  "stall",
  /** The clock of Redis jumps back. Stream ids do not. */
  "clock-back",
  /** The clock of Redis jumps forward, now and then past the life of a tombstone. */
  "clock-forward",
  /** Redis fails over to a replica that had not received the last writes. */
  "failover",
  /** Redis loses all keys. */
  "wipe",
  /** Redis evicts one key of the projection, or the log. */
  "evict",
  /** Redis forgets its scripts. */
  "scripts",
  /** Redis refuses for a while: OOM (appends only), READONLY (all writes) or LOADING (everything), from amid a pipeline. */
  "refuse",
  /** The oldest records are trimmed off the log before they were folded. */
  "trim",
  /** Entries stand in the log that are no records, or records that no recorder can have made. */
  "garbage",
  /** A process gets more users at once than fit in one record or one call of a small budget. */
  "storm",
  /** For a while everybody's users come and go, so fast that somebody folds for the others (pace). */
  "rush",
  /** From then on who starts is of the next version: a process at once, which may project, and a projector later. */
  "upgrade",
  /** The oldest changes are trimmed, however old they are. */
  "trim-changes",
] as const;

export type Fault = (typeof FAULTS)[number];

/** Drawn request for request, by the connection it takes. */
export type LinkFault = "lose-request" | "lose-reply" | "cut" | "delay" | "duplicate" | "interleave";
/** Planned: happen to Redis itself. */
export type RedisFault =
  | "clock-back"
  | "clock-forward"
  | "failover"
  | "wipe"
  | "evict"
  | "scripts"
  | "refuse"
  | "trim"
  | "trim-changes"
  | "garbage";
/** Planned: happen to a process, its connection or its users. */
export type ProcessFault = Exclude<Fault, LinkFault | RedisFault>;

export function isFault(name: string): name is Fault {
  return (FAULTS as readonly string[]).includes(name);
}

/** How often each fault was injected. */
export type FaultCounts = Map<Fault, number>;

/** An invariant that does not hold: found by the simulation, and the end of its history. */
export class Violation extends Error {
  override readonly name = "Violation";
  readonly invariant: string;

  constructor(invariant: string, message: string) {
    super(`${invariant}: ${message}`);
    this.invariant = invariant;
  }
}

/** Throws unless `actual` is `expected`. */
export function hold(invariant: string, what: string, actual: unknown, expected: unknown): void {
  const [is, should] = [JSON.stringify(actual), JSON.stringify(expected)];
  if (is !== should) throw new Violation(invariant, `${what} is ${is}, expected ${should}`);
}

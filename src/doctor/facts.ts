/** What doctor has learnt, without judging it. Verdicts are pure functions of these. */
import type { Role } from "../core/access.ts";
import type { ProcessState } from "../core/process.ts";
import type { SubscriberStatus } from "../reader/answers/subscribers.ts";

/** Something learnt, or why it could not be: `needs +info`. */
export type Fact<T> = { readonly known: T } | { readonly unknown: string };

/** The value, or undefined where it is not known. */
export function valueOf<T>(fact: Fact<T>): T | undefined {
  return "known" in fact ? fact.known : undefined;
}

/** What was asked for on the command line. */
export interface Asked {
  readonly prefix: string;
  /** Undefined: as many as Redis says. */
  readonly shards: number | undefined;
  readonly role: Role;
  /** Whether the role was named: then more rights than it needs are a warning. */
  readonly isRoleNamed: boolean;
  /** Whether a Cluster was asked for. */
  readonly cluster: boolean;
  /** How long work for a projector may wait, ms. */
  readonly staleAfter: number;
}

/** One server: of a Cluster each master. */
export interface ServerFacts {
  /** `host:port`, or the host of a REST API. Never a password. */
  readonly address: string;
  /** The fields of INFO. */
  readonly info: Fact<ReadonlyMap<string, string>>;
  /** Settings by name; one that this server does not have, or does not say, is missing. */
  readonly config: Fact<ReadonlyMap<string, string>>;
  readonly slow: Fact<readonly SlowCall[]>;
}

/** A slow call of a script with a key of the prefix. Its arguments may name users, so they are not kept. */
export interface SlowCall {
  readonly command: string;
  /** When, seconds since 1970. */
  readonly at: number;
  readonly ms: number;
}

/** `absent`: this Redis has no such command, or under another name. */
export type Permission = "yes" | "no" | "absent";

export interface AccessFacts {
  /** The Redis user. */
  readonly user: string;
  /** By command, as in core/access.ts. */
  readonly commands: Fact<ReadonlyMap<string, Permission>>;
  /** Known even where `commands` is not: whether scripts can be called. */
  readonly scripts: Permission | undefined;
  /** False: the keys of the prefix are refused. */
  readonly keys: boolean;
}

export interface ClockFacts {
  /** Redis's clock minus this machine's, ms. */
  readonly ahead: number;
  /** How wrong that can be, ms. */
  readonly uncertainty: number;
  /** By how much it changed while doctor ran, ms, and how wrong that can be. */
  readonly moved: number;
  readonly movedUncertainty: number;
}

/** Round trips, ms. */
export interface LatencyFacts {
  readonly median: number;
  readonly p95: number;
  readonly count: number;
}

export interface ShardFacts {
  readonly shard: number;
  /** Keys that hold another type than Rollcall's: the key, and its type if that could be asked. */
  readonly wrongTypes: readonly { readonly key: string; readonly type: string | undefined; readonly wanted: string }[];
  readonly totals: Fact<TotalsFacts>;
  readonly log: Fact<LogFacts>;
  readonly group: Fact<GroupFacts | null>;
  readonly rejected: Fact<RejectedFacts>;
  /** Ended processes that are remembered, an hour each. */
  readonly tombstones: Fact<number>;
} // prettier-ignore

export interface TotalsFacts {
  /** Null: nobody has ever folded anything here. */
  readonly protocol: string | null;
  readonly shards: string | null;
  readonly rejected: number;
  readonly fenced: number;
  readonly reaped: number;
  readonly rebuilt: number;
}

export interface LogFacts {
  /** On Redis's clock, ms. */
  readonly now: number;
  readonly records: number;
  readonly oldestMs: number;
  /** How long work for a projector has waited, ms. */
  readonly overdueMs: number;
  /** How long ago a projector ran, ms; null: never. */
  readonly ranAgo: number | null;
  readonly users: number;
  readonly sockets: number;
}

export interface GroupFacts {
  readonly consumers: number;
  readonly pending: number;
}

/** The entries that are kept, at most 100 of the latest. */
export interface RejectedFacts {
  /** How many of each reason. */
  readonly reasons: ReadonlyMap<string, number>;
  /** How long ago the latest was set aside, ms; null: there is none. */
  readonly latestAgo: number | null;
}

export interface ProcessFacts {
  readonly id: string;
  readonly state: ProcessState;
  readonly sockets: number;
  /** ms until its lease ends, negative once it has; null: it has ended. */
  readonly left: number | null;
  readonly version: string | null;
  /** Of its first record; null: not reported. */
  readonly protocol: string | null;
  readonly reason: string | undefined;
}

export interface Facts {
  readonly asked: Asked;
  /** How many shards the answers below are about. */
  readonly shards: number;
  /** `rest`: over Upstash's REST. */
  readonly over: "redis" | "rest";
  readonly servers: readonly ServerFacts[];
  readonly access: AccessFacts;
  readonly clock: Fact<ClockFacts>;
  readonly latency: LatencyFacts;
  /** Empty where no key could be asked: a node of a Cluster that was not asked for as one, a Sentinel. */
  readonly parts: readonly ShardFacts[];
  readonly processes: Fact<readonly ProcessFacts[]>;
  readonly subscribers: Fact<readonly SubscriberStatus[]>;
}

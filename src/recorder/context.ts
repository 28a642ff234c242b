/** What a recorder needs from its creator: presence.ts, the simulation, tests. */
import type { PresenceError } from "../core/errors.ts";
import type { OutageLog } from "../core/outage-log.ts";
import type { GuardedSink } from "../core/telemetry.ts";
import type { Connection } from "../redis/connect.ts";
import type { Runtime } from "../time/runtime.ts";
import type { ResolvedRecorderOptions } from "./options.ts";

/** Told of the records of each shard. Its methods must not throw. */
export interface RecordWatcher {
  /** A record was made: what happens from now on is in a later one. */
  taken(shard: number): void;
  /** It is appended, under this id. */
  appended(shard: number, id: string): void;
}

export interface RecorderContext {
  readonly connection: Pick<Connection, "port" | "ready" | "reconnectedAt" | "onReconnect"> &
    Partial<Pick<Connection, "user" | "place" | "wasUsable">>;
  readonly options: ResolvedRecorderOptions;
  /** `io.engine.clientsCount`. */
  readonly connections: () => number;
  /** Whether this process listens to changes now: then beats under load are short (pace). Must not throw. */
  readonly listens?: (() => boolean) | undefined;
  /** Called once for each state of failure (core/outages.ts). Must not throw. */
  readonly onError: (error: PresenceError) => void;
  /** Where failures are told, shared with whatever else uses this Redis. Default: a log of the recorder's own, over `onError`. */
  readonly outages?: OutageLog | undefined;
  /** The scopes tracked, as patterns (docs/protocol.md, `tracks`). Undefined: no scopes are. */
  readonly tracks?: readonly string[] | undefined;
  /** Whether the ids of sockets are recorded. Default false; needs `tracks`. */
  readonly ids?: boolean | undefined;
  /** With one, a record is also made for a connect that a departure has cancelled. */
  readonly records?: RecordWatcher | undefined;
  readonly telemetry?: GuardedSink | undefined;
  /** For the simulation. */
  readonly runtime?: Runtime | undefined;
  /** Makes unique process ids. Default: host name, process id and 48 random bits. */
  readonly newId?: (() => string) | undefined;
}

/** The context of a recorder's parts. */
export type SharedContext = RecorderContext & { readonly outages: OutageLog };

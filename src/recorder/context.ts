/** What a recorder needs from its creator: presence.ts, the simulation, tests. */
import type { PresenceError } from "../core/errors.ts";
import type { Connection } from "../redis/connect.ts";
import type { Runtime } from "../time/runtime.ts";
import type { ResolvedRecorderOptions } from "./options.ts";

export interface RecorderContext {
  readonly connection: Pick<Connection, "port" | "ready" | "reconnectedAt" | "onReconnect"> &
    Partial<Pick<Connection, "user">>;
  readonly options: ResolvedRecorderOptions;
  /** `io.engine.clientsCount`. */
  readonly connections: () => number;
  /** Whether this process listens to changes now: then beats under load are short (pace). Must not throw. */
  readonly listens?: (() => boolean) | undefined;
  /** Called once when appending or projecting begins to fail, for each code, and for bugs (INTERNAL). Must not throw. */
  readonly onError: (error: PresenceError) => void;
  /** For the simulation. */
  readonly runtime?: Runtime | undefined;
  /** Makes unique process ids. Default: host name, process id and 48 random bits. */
  readonly newId?: (() => string) | undefined;
}

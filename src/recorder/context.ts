/** What a recorder needs from its creator: presence.ts, the simulation, tests. */
import type { PresenceError } from "../core/errors.ts";
import type { Connection } from "../redis/connect.ts";
import type { Runtime } from "../time/runtime.ts";
import type { ResolvedRecorderOptions } from "./options.ts";

export interface RecorderContext {
  readonly connection: Pick<Connection, "port" | "ready" | "reconnectedAt" | "onReconnect">;
  readonly options: ResolvedRecorderOptions;
  /** `io.engine.clientsCount`. */
  readonly connections: () => number;
  /** Called once when appending or projecting begins to fail, and for bugs (INTERNAL). Must not throw. */
  readonly onError: (error: PresenceError) => void;
  /** For the simulation. */
  readonly runtime?: Runtime | undefined;
  /** Makes unique process ids. Default: host name, process id and 48 random bits. */
  readonly newId?: (() => string) | undefined;
}

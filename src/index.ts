/**
 * Rollcall: crash-proof presence for Socket.IO, written to a Redis stream and readable from the edge.
 */
export type { Change, ChangeCause } from "./core/change.ts";
export { PresenceError, type PresenceErrorCode } from "./core/errors.ts";
export {
  type ClosableReader,
  createProjector,
  createReader,
  type ProjectorInput,
  type ReaderInput,
} from "./create.ts";
export type { Logger, ProjectorOptions, ReaderOptions, ReadMode, RecorderOptions } from "./options.ts";
export { createPresence, type Presence, type PresenceEvents, type PresenceOptions } from "./presence.ts";
export type { Projector, StepResult } from "./projector.ts";
export type { SweepBudget, SweepLeft, SweepOptions, SweepSummary } from "./projector/sweep.ts";
export type {
  AsOf,
  ChangesAnswer,
  ChangesOptions,
  Counts,
  Lag,
  Lease,
  PageOptions,
  ProcessesAnswer,
  ProcessPresence,
  Reader,
  Totals,
  UserAnswer,
  UserPresence,
  UsersAnswer,
  UsersPage,
} from "./reader.ts";
export type { LoopProjector, RunOptions } from "./run.ts";
export type { NamespaceMatcher, UserFunction } from "./socket-io.ts";
export type { Difference, VerifyOptions, VerifyReport } from "./verify.ts";

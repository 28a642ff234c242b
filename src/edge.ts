/** The entry point `rollcall/edge`: reader, API and sweeps for Workers and functions. It does not need Node. */
export { type ErrorDetails, PresenceError, type PresenceErrorCode } from "./core/errors.ts";
export { createFetch, type EnvironmentFetch } from "./edge/api.ts";
export {
  createProjector,
  createReader,
  createWebhook,
  type EdgeProjectorInput,
  type EdgeReaderInput,
  type EdgeWebhookInput,
} from "./edge/create.ts";
export type { Environment, RestCredentials } from "./edge/environment.ts";
export { sweepMinute, type Sweeping } from "./edge/minute.ts";
export type { Deliver, DeliveryBudget, DeliverySummary } from "./edge/deliveries.ts";
export { createScheduled, type EnvironmentScheduled, type ScheduledOptions } from "./edge/projection.ts";
export { upstashClient } from "./edge/upstash.ts";
export { type AppOptions, createApp } from "./http/app.ts";
export { fetchHandler, type FetchApp } from "./http/fetch.ts";
export type { CountsAccess, StreamLimits } from "./http/options.ts";
export type { ProblemCode } from "./http/problem.ts";
export type { KeyOptions } from "./core/key-options.ts";
export type { LogFields, Logger } from "./core/options.ts";
export type {
  ProjectorOptions,
  ReadMode,
  StepOptions,
  SweepBudget,
  SweepOptions,
  VerifyOptions,
} from "./projector/options.ts";
export type { ReaderOptions } from "./reader/options.ts";
export type { Projector, StepResult } from "./projector/projector.ts";
export type { SweepLeft, SweepSummary } from "./projector/sweep.ts";
export type { Difference, VerifyReport } from "./projector/verify.ts";
export type {
  AsOf,
  ChangesAnswer,
  ChangesOptions,
  Counts,
  DistinctAnswer,
  HistoryAnswer,
  Lag,
  Lease,
  PageOptions,
  ProcessesAnswer,
  SubscribersAnswer,
  SubscriberStatus,
  ProcessPresence,
  Reader,
  Session,
  SessionsAnswer,
  SessionsOptions,
  Totals,
  UserAnswer,
  UserPresence,
  UserProcess,
  UsersAnswer,
  UsersAtAnswer,
  UsersAtOptions,
  UsersIterator,
  UsersListOptions,
  UsersPage,
} from "./reader/reader.ts";
export type { Change, ChangeCause } from "./core/change.ts";
export type { UpstashClient } from "./redis/upstash.ts";
export type { WebhookBatch, WebhookEvent, WebhookType } from "./core/webhook.ts";
export type { Delivered, Subscriber } from "./subscriber/subscriber.ts";
export type { DeliverOptions } from "./subscriber/options.ts";
export type { NamedWebhookOptions, WebhookOptions } from "./webhooks/options.ts";

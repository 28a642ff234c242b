/**
 * Rollcall: crash-proof presence for Socket.IO, written to a Redis stream and readable from the edge.
 */
export { type AdapterFactory, withPresence } from "./adapter/with-presence.ts";
export type { Change, ChangeCause, ChangeType } from "./core/change.ts";
export { type ErrorDetails, PresenceError, type PresenceErrorCode } from "./core/errors.ts";
export { createProjector, type ProjectorInput } from "./projector/create.ts";
export { type ClosableReader, createReader, type ReaderInput } from "./reader/create.ts";
export type { Duration, Keep, KeepOptions } from "./core/keep.ts";
export type { HistoryKept, KeepsHistory } from "./core/history.ts";
export type { HistoryStep } from "./core/steps.ts";
export type { KeyOptions } from "./core/key-options.ts";
export type { LogFields, Logger } from "./core/options.ts";
export type {
  Telemetry,
  TelemetryOption,
  TelemetryOptions,
  TelemetrySink,
  TelemetrySource,
} from "./core/telemetry.ts";
export type {
  ProjectorOptions,
  ReadMode,
  RunOptions,
  StepOptions,
  SweepBudget,
  SweepOptions,
  VerifyOptions,
} from "./projector/options.ts";
export type { ReaderOptions } from "./reader/options.ts";
export type { RecorderOptions } from "./recorder/options.ts";
export {
  type CloseOptions,
  createPresence,
  type Presence,
  type PresenceEvents,
  type PresenceListener,
  type PresenceNamespace,
  type PresenceOptions,
  type SocketsOfOptions,
  type Subscribe,
  type Subscription,
  type UserBroadcast,
  type UserRoomsOptions,
  type PresenceScope,
  type ScopeEvents,
} from "./presence/presence.ts";
export type { Gap, GapReason, Mirror } from "./follow/mirror.ts";
export type { Forgotten } from "./projector/forget.ts";
export type { Projector, StepResult } from "./projector/projector.ts";
export type { SweepLeft, SweepSummary } from "./projector/sweep.ts";
export type {
  AsOf,
  ChangesAnswer,
  ChangesOptions,
  Counts,
  DistinctAnswer,
  DistinctOptions,
  HistoryAnswer,
  HistoryOptions,
  HistoryPoint,
  Json,
  Lag,
  Lease,
  Measured,
  PageOptions,
  ProcessesAnswer,
  SubscribersAnswer,
  SubscriberStatus,
  ProcessPresence,
  ProcessState,
  Reader,
  Session,
  SessionsAnswer,
  SessionsOptions,
  SocketPresence,
  SocketsOptions,
  SocketsPage,
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
  CountsInAnswer,
  CountsOfScope,
  NamespaceReader,
  ScopeCounts,
  ScopeName,
  ScopeReader,
  ScopeSize,
  ScopesOptions,
  ScopesPage,
} from "./reader/reader.ts";
export { createSubscriber, type SubscriberInput } from "./subscriber/create.ts";
export { DeliveryError, type DeliveryErrorOptions } from "./subscriber/delivery-error.ts";
export type { DeadLetter, DeadLetterPage, DeadLetters } from "./subscriber/letters.ts";
export type { LoopSubscriber, SubscriberRunOptions } from "./subscriber/loop.ts";
export type {
  DeadLettersOptions,
  DeliverOptions,
  DeliveryFilter,
  DeliveryInfo,
  Handle,
  HandleBatch,
  SubscribeOptions,
  SubscriberOptions,
} from "./subscriber/options.ts";
export type { Delivered, Subscriber } from "./subscriber/subscriber.ts";
export type {
  ChangeDelivery,
  Delivery,
  GapDelivery,
  GapReason as DeliveryGapReason,
} from "./core/delivery.ts";
export type { LoopProjector } from "./projector/loop.ts";
export type { RedisInput } from "./redis/connect.ts";
export type { IoRedisClient } from "./redis/ioredis.ts";
export type { UpstashClient } from "./redis/upstash.ts";
export type { ChangeMatcher, NamespaceMatcher, RoomMatcher, UserFunction } from "./recorder/socket-io.ts";
export type { Difference, VerifyReport } from "./projector/verify.ts";
export { createWebhook, type WebhookInput } from "./webhooks/create.ts";
export type { NamedWebhookOptions, WebhookOptions } from "./webhooks/options.ts";
export type { WebhookBatch, WebhookEvent, WebhookType } from "./core/webhook.ts";
export type { GrantAction, Grants } from "./core/grant.ts";
export { signToken, type SignTokenOptions } from "./tokens/sign.ts";

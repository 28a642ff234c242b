/**
 * What a process tells of itself while it runs, for traces and metrics: operations that begin and end, events, and levels that are
 * read when somebody collects them. Whoever does the work calls a TelemetrySink; src/otel and src/prometheus are made of what it is told.
 *
 * Nothing in it names a user, a namespace or a room, and no value has more of them than there are options, error codes and subscribers.
 * What an implementation throws ends here.
 */
import { listenerFailed, PresenceError, told } from "./errors.ts";
import { invalid, type Logger, quiet } from "./options.ts";

/** Why a process registers: at its start, or since the projector fenced it, ended it, or knows nothing of it, or it doubts itself. */
export type RegistrationReason = "start" | "fenced" | "ended" | "gone" | "doubt";

/** Why a mirror is compared with Redis: entries are missing, the projection was rebuilt, or the totals differ. */
export type ResyncReason = "lost" | "rebuilt" | "differs";

/** What a call of the projector did. */
export interface FoldFacts {
  readonly records: number;
  readonly operations: number;
  /** Entries set aside. */
  readonly rejected: number;
  readonly fenced: number;
  readonly reaped: number;
  /** Transitions appended to `changes`. */
  readonly changes: number;
}

/** The operations, with what is known when one begins and when it is done. */
export interface TelemetryOperations {
  /** One attempt to append a record; the projector's call may go along in the same round trip. */
  append: {
    begun: { readonly shard: number; readonly operations: number; readonly bytes: number };
    done: object;
  };
  /** One request with calls of the projector: usually one. */
  fold: { begun: { readonly shard: number }; done: FoldFacts };
  /** From the decision to register until the full state is appended. */
  register: { begun: { readonly shard: number; readonly reason: RegistrationReason }; done: object };
  /** A mirror is compared with Redis. */
  resync: {
    begun: {
      readonly shard: number;
      readonly stream: "changes" | "moves";
      readonly reason: ResyncReason;
    };
    done: object;
  };
  /** One call of a durable subscriber's handler. */
  deliver: {
    begun: {
      readonly shard: number;
      readonly subscriber: string;
      readonly deliveries: number;
      readonly attempt: number;
    };
    done: object;
  };
  /** One request of a webhook. */
  post: {
    begun: { readonly host: string; readonly port: number; readonly bytes: number };
    done: { readonly status: number };
  };
}

export type OperationName = keyof TelemetryOperations;
export type Begun<Name extends OperationName> = TelemetryOperations[Name]["begun"];
export type Done<Name extends OperationName> = TelemetryOperations[Name]["done"];

export interface TelemetryEvents {
  /** A connection to Redis was restored after a loss. */
  reconnected: { readonly connection: "recorder" | "projector" | "subscriber" | "tail" };
  /** Deliveries have become dead letters. */
  buried: { readonly subscriber: string; readonly deliveries: number };
}

export type EventName = keyof TelemetryEvents;

/** What is so at this moment; undefined: it is not known here, or there is none. */
export interface TelemetryLevels {
  /** Open sockets that are counted. */
  readonly sockets?: number | undefined;
  /** Records made and not acknowledged, at most one a shard. */
  readonly inFlight?: number | undefined;
  /** Operations that are in no record yet. */
  readonly pending?: number | undefined;
  /** Records left in the log after the last fold of each shard. */
  readonly lag?: number | undefined;
  /** Users in the mirror. */
  readonly mirror?: number | undefined;
}

/** A presence, a projector or a subscriber. */
export interface TelemetrySource {
  readonly prefix: string;
  levels(): TelemetryLevels;
}

export interface RunningOperation<Name extends OperationName> {
  /** Calls `call` once, at once, and returns what it does: what begins in it is part of this operation. Default: just that. */
  within?<T>(call: () => T): T;
  /** What to send along to a receiver, so that it can continue the trace. Default: nothing. */
  headers?(): Readonly<Record<string, string>>;
  done(result: Done<Name>): void;
  /** `type`: one of few, such as an error code. */
  failed(type: string): void;
}

export interface TelemetrySink {
  begin<Name extends OperationName>(name: Name, begun: Begun<Name>): RunningOperation<Name>;
  happened<Name extends EventName>(name: Name, facts: TelemetryEvents[Name]): void;
  /** Calls `call` once, at once, and returns what it does. It outlives its caller: what begins in it is no part of what the caller does. */
  apart?<T>(call: () => T): T;
  /** The source ends. */
  close(): void;
}

/** What openTelemetry() of `rollcall/otel` and prometheus() of `rollcall/prometheus` return, for the option `telemetry`. */
export interface Telemetry {
  /** Called once for each presence, projector or subscriber. Whatever it or its result throws is logged once and ignored. */
  attach(source: TelemetrySource): TelemetrySink;
}

/** The option `telemetry`. */
export type TelemetryOption = Telemetry | readonly Telemetry[] | undefined;

export interface TelemetryOptions {
  /**
   * Where traces and metrics of this process go: what openTelemetry() of `rollcall/otel` returns, or prometheus() of `rollcall/prometheus`, or
   * a list of these. They name no user and no room. What fails in them is logged once and ignored. Default: nowhere.
   */
  readonly telemetry?: TelemetryOption;
}

/** Throws PresenceError OPTIONS_INVALID. */
export function resolveTelemetry(value: TelemetryOption): readonly Telemetry[] {
  if (value === undefined) return [];
  const list: readonly unknown[] = Array.isArray(value) ? value : [value];
  for (const one of list) {
    const attach: unknown =
      typeof one === "object" && one !== null ? (one as { attach?: unknown }).attach : undefined;
    if (typeof attach !== "function")
      invalid(
        `telemetry must be what openTelemetry() of rollcall/otel or prometheus() of rollcall/prometheus returns, or a list of these, got ${one === null ? "null" : typeof one}`,
      );
  }
  return list as readonly Telemetry[];
}

/** `error.type` of what was thrown: a code, or what OpenTelemetry's conventions have for all others. */
export function typeOfError(error: unknown): string {
  return error instanceof PresenceError ? error.code : "_OTHER";
}

/** A RunningOperation of which nothing is missing, and nothing throws. */
export type GuardedOperation<Name extends OperationName> = Required<RunningOperation<Name>>;

/** What the parts of Rollcall get; undefined where `telemetry` is not set, so that nothing is computed for it. */
export interface GuardedSink extends Required<TelemetrySink> {
  begin<Name extends OperationName>(name: Name, begun: Begun<Name>): GuardedOperation<Name>;
}

const HEADER_MAX = 1_024;

/** Attaches a source. Undefined: there is nothing to tell. Never throws; a failure is logged, the first only. */
export function attachTelemetry(
  all: readonly Telemetry[],
  source: TelemetrySource,
  logger: Pick<Logger, "error">,
): GuardedSink | undefined {
  if (all.length === 0) return undefined;
  let isTold = false;
  function failed(cause: unknown): void {
    if (isTold) return;
    isTold = true;
    const failure = listenerFailed("telemetry", "threw", cause);
    logger.error(`${told(failure)}; nothing else is affected`, { code: failure.code });
  }
  /** `call` may return a promise, though it should not. */
  function safely<T>(call: () => T): T | undefined {
    try {
      const result = call();
      quiet(result, failed);
      return result;
    } catch (cause) {
      failed(cause);
      return undefined;
    }
  }
  /** Calls `call` exactly once within all of `around`, whatever they do, and returns or throws what it does. */
  function through<T>(call: () => T, around: readonly (((run: () => void) => unknown) | undefined)[]): T {
    let outcome: { readonly value: T } | { readonly error: unknown } | undefined;
    const once = () => {
      if (outcome !== undefined) return;
      try {
        outcome = { value: call() };
      } catch (error) {
        outcome = { error };
      }
    };
    around.reduce<() => void>(
      (inner, one) => (one === undefined ? inner : () => safely(() => one(inner))),
      once,
    )();
    // One of them did not call it.
    once();
    if ("error" in outcome!) throw outcome.error;
    return outcome!.value;
  }

  const guarded: TelemetrySource = {
    prefix: source.prefix,
    levels: () => safely(() => source.levels()) ?? {},
  };
  const sinks = all.flatMap((one) => safely(() => one.attach(guarded)) ?? []);
  let isClosed = false;

  function begin<Name extends OperationName>(name: Name, begun: Begun<Name>): GuardedOperation<Name> {
    const running = sinks.flatMap((sink) => safely(() => sink.begin(name, begun)) ?? []);
    let isOver = false;
    const end = (call: (one: RunningOperation<Name>) => void) => {
      if (isOver) return;
      isOver = true;
      for (const one of running) safely(() => call(one));
    };
    return {
      within: (call) =>
        through(
          call,
          running.map((one) => one.within && ((run) => one.within!(run))),
        ),
      headers() {
        const all = running.map((one) => headersOf(safely(() => one.headers?.())));
        return Object.assign({}, ...all) as Record<string, string>;
      },
      done: (result) => end((one) => one.done(result)),
      failed: (type) => end((one) => one.failed(type)),
    };
  }

  return {
    begin,
    happened: (name, facts) => {
      for (const sink of sinks) safely(() => sink.happened(name, facts));
    },
    apart: (call) =>
      through(
        call,
        sinks.map((sink) => sink.apart && ((run) => sink.apart!(run))),
      ),
    close() {
      if (isClosed) return;
      isClosed = true;
      for (const sink of sinks) safely(() => sink.close());
    },
  };
}

/** The same for a part that ends before the source does. */
export function lent(sink: GuardedSink | undefined): GuardedSink | undefined {
  return sink && { ...sink, close() {} };
}

/** Those that a request can have: one that is invalid would make it fail. */
function headersOf(headers: Readonly<Record<string, string>> = {}): Record<string, string> {
  const fit = Object.entries(headers).filter(
    ([name, value]) =>
      /^[A-Za-z0-9-]+$/.test(name) &&
      typeof value === "string" &&
      value.length <= HEADER_MAX &&
      /^[ -~]*$/.test(value),
  );
  return Object.fromEntries(fit.map(([name, value]) => [name.toLowerCase(), value]));
}

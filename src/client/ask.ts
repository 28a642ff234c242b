/** What live() and liveCounts() share: requests of a client that end with a signal, and when to try again. */
import { invalid } from "../core/options.ts";
import { checkScope } from "../core/scope.ts";
import type { Client } from "./client.ts";
import { mayPass, type Staleness } from "./follow.ts";
import { ProblemError } from "./problem.ts";
import type { Request } from "./request.ts";

/** Which part: a namespace, a room in it, a room of the main namespace, or the whole without either. */
export interface LiveScope {
  readonly namespace?: string | undefined;
  readonly room?: string | undefined;
}

/**
 * - `connecting`: nothing is known yet.
 * - `live`: the state follows what happens.
 * - `stale`: it may be out of date, and mends itself.
 * - `closed`: it does not change any more: closed, or failed for good (`error`).
 */
export type LiveStatus = "connecting" | "live" | "stale" | "closed";

/** Why a state may be out of date: as follow() says it, or changes were missed and the list is being read again. */
export interface LiveStaleness {
  readonly cause: Staleness["cause"] | "gap";
  /** The last time that is known to be complete, ISO 8601; null: not known. */
  readonly since: string | null;
}

export type Pairs = readonly (readonly [name: string, value: string])[];

/** Throws PresenceError SCOPE_INVALID. */
export function scopePairs({ namespace, room }: LiveScope): Pairs {
  if (namespace !== undefined || room !== undefined) checkScope(namespace ?? "/", room);
  return Object.entries({ namespace, room }).filter(
    (pair): pair is [string, string] => pair[1] !== undefined,
  );
}

/** Throws PresenceError OPTIONS_INVALID for what is no client. */
export function requestOf(client: Client, where: string): Request {
  if (typeof client?.fetch !== "function")
    invalid(`the client of ${where} must be what createClient() returns, got ${typeof client}`);
  return (path, init) => client.fetch(path as `/${string}`, init);
}

/** Rejects as the client's own methods do, and when the signal fires. */
export async function ask<Answer>(request: Request, path: string, init: RequestInit): Promise<Answer> {
  const response = await request(path, init);
  if (!response.ok) throw await ProblemError.of(response);
  return (await response.json()) as Answer;
}

/** Whether no retry mends it: what the API refuses, and options that are wrong. */
export function isFinal(error: unknown): boolean {
  if (error instanceof ProblemError) return !mayPass(error);
  return error instanceof Error && error.name === "PresenceError";
}

/** What a failed request says of the age of what is known. */
export function stalenessAfter(error: unknown, since: string | null): LiveStaleness {
  const isRedis = error instanceof ProblemError && error.code === "REDIS_UNAVAILABLE";
  return { cause: isRedis ? "redis" : "connection", since };
}

export const errorOf = (error: unknown): Error =>
  error instanceof Error ? error : new Error(String(error), { cause: error });

/** Calls `end` when the signal fires, at once if it has. Returns a function that takes the listener off. */
export function onAbort(signal: AbortSignal | undefined, end: () => void): () => void {
  signal?.addEventListener("abort", end);
  if (signal?.aborted === true) end();
  return () => signal?.removeEventListener("abort", end);
}

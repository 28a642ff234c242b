/**
 * The history of one shard (docs/protocol.md, "History"), as plain lists: every minute by itself, hours and days made from them anew. It
 * stands for a projection in which every caller keeps a history, and of which a day's users are read in one call.
 */
import { CHANGE_CAUSES, type ChangeCause } from "../src/core/change.ts";
import { DAY_MS, HISTORY_BACK_MS, HISTORY_LATE_MS, HOUR_MS, MINUTE_MS } from "../src/core/limits.ts";

export interface Numbers {
  readonly users: number;
  readonly sockets: number;
}

/** Least and most of what the projection was, and the last. */
export interface Span {
  readonly last: Numbers;
  readonly least: Numbers;
  readonly most: Numbers;
}

/** The minutes of the whole, or of a scope. */
interface Minutes {
  /** The start of the minute that goes on, and what it was so far; undefined: no call yet. */
  readonly current: (Span & { readonly start: number }) | undefined;
  /** By their start; minutes that are gaps are not in it. */
  readonly minutes: ReadonlyMap<number, Span>;
}

export interface History extends Minutes {
  /** Of those that callers name: all callers name the same. */
  readonly scopes: ReadonlyMap<string, Minutes>;
  readonly counted: ReadonlyMap<ChangeCause, number>;
  /** Day → who was present in it. */
  readonly seen: ReadonlyMap<number, ReadonlySet<string>>;
}

const NO_MINUTES: Minutes = { current: undefined, minutes: new Map() };

export const NO_HISTORY: History = {
  ...NO_MINUTES,
  scopes: new Map(),
  counted: new Map(),
  seen: new Map(),
};

/** What a call did. */
export interface Happened {
  readonly now: number;
  /** Since when work waited for it: the earliest deadline that had passed or will, or the oldest record; undefined: none. */
  readonly waiting: number | undefined;
  readonly before: Numbers;
  readonly after: Numbers;
  readonly usersBefore: Iterable<string>;
  readonly told: readonly ReadonlyMap<ChangeCause, readonly string[]>[];
  /** Of each scope that the caller names. */
  readonly scopes: ReadonlyMap<string, { readonly before: Numbers; readonly after: Numbers }>;
}

const start = (at: number, length: number) => at - (at % length);
const pick = (of: (...all: number[]) => number, all: readonly Numbers[]): Numbers => ({
  users: of(...all.map(({ users }) => users)),
  sockets: of(...all.map(({ sockets }) => sockets)),
});

function join(last: Numbers, all: readonly Numbers[]): Span {
  return { last, least: pick(Math.min, all), most: pick(Math.max, all) };
}

/** The minute of a call: with a clock that goes back a little, the one that goes on. */
function minuteOf({ current }: Minutes, now: number): number {
  const minute = start(now, MINUTE_MS);
  const isAhead = current !== undefined && current.start > minute;
  return isAhead && current.start - minute <= HISTORY_BACK_MS ? current.start : minute;
}

function goOn(
  { current: last, minutes: ended }: Minutes,
  minute: number,
  call: Pick<Happened, "waiting" | "before" | "after">,
): Minutes {
  // What a clock that was wrong said is dropped.
  const current = last !== undefined && last.start > minute ? undefined : last;
  const minutes = new Map(ended);
  let known = current === undefined ? [] : [current.least, current.most, call.before];
  if (current !== undefined && minute > current.start) {
    const { last } = current;
    const quiet = (at: number) =>
      call.waiting === undefined || at + MINUTE_MS <= call.waiting + HISTORY_LATE_MS;
    minutes.set(current.start, current);
    let at = current.start + MINUTE_MS;
    for (; at < minute && quiet(at); at += MINUTE_MS) minutes.set(at, { last, least: last, most: last });
    known = at < minute ? [] : [call.before];
  }
  return { current: { start: minute, ...join(call.after, [...known, call.after]) }, minutes };
}

export function follow(history: History, call: Happened): History {
  const minute = minuteOf(history, call.now);
  const scopes = Array.from(call.scopes, ([scope, numbers]): [string, Minutes] => [
    scope,
    goOn(history.scopes.get(scope) ?? NO_MINUTES, minute, { ...call, ...numbers }),
  ]);
  const day = start(minute, DAY_MS);
  const came = call.told.flatMap((entry) => entry.get("connect") ?? []);
  const seen = new Map(history.seen);
  seen.set(day, new Set([...(seen.get(day) ?? call.usersBefore), ...came]));
  const counted = new Map(history.counted);
  for (const entry of call.told)
    for (const [cause, users] of entry) counted.set(cause, (counted.get(cause) ?? 0) + users.length);
  return { ...goOn(history, minute, call), scopes: new Map(scopes), counted, seen };
}

/** The hours or days that have ended. */
function rolledUp({ minutes, current }: Minutes, length: number): ReadonlyMap<number, Span> {
  const parts = new Map<number, Span[]>();
  for (const [at, span] of minutes) {
    const period = start(at, length);
    if (current !== undefined && period >= start(current.start, length)) continue;
    parts.set(period, [...(parts.get(period) ?? []), span]);
  }
  return new Map(
    [...parts].map(([at, spans]) => [
      at,
      join(
        spans.at(-1)!.last,
        spans.flatMap(({ least, most }) => [least, most]),
      ),
    ]),
  );
}

/** `users last least most sockets last least most`, as entries of the streams have it. */
const text = ({ last, least, most }: Span) =>
  (["users", "sockets"] as const)
    .map((name) => `${name} ${last[name]} ${least[name]} ${most[name]}`)
    .join(" ");

const texts = (spans: ReadonlyMap<number, Span>) =>
  Object.fromEntries([...spans].map(([at, span]) => [new Date(at).toISOString(), text(span)]));

/** As a test reads it from Redis, and the vectors have it: starts in ISO 8601; of a day how many users were seen. */
export interface PlainMinutes {
  readonly current: string | null;
  readonly minutes: Readonly<Record<string, string>>;
  readonly hours: Readonly<Record<string, string>>;
  readonly days: Readonly<Record<string, string>>;
}

export interface PlainHistory extends PlainMinutes {
  /** Left out where callers name none. */
  readonly scopes?: Readonly<Record<string, PlainMinutes>>;
  /** In the order of the causes; null: none was counted. */
  readonly counted: string | null;
  readonly distinct: Readonly<Record<string, number>>;
}

function plainMinutes(of: Minutes): PlainMinutes {
  const { current, minutes } = of;
  return {
    current: current === undefined ? null : `${new Date(current.start).toISOString()} ${text(current)}`,
    minutes: texts(minutes),
    hours: texts(rolledUp(of, HOUR_MS)),
    days: texts(rolledUp(of, DAY_MS)),
  };
}

export function plainHistory(history: History): PlainHistory {
  const { scopes, counted, seen } = history;
  const causes = CHANGE_CAUSES.filter((cause) => cause !== "resync");
  return {
    ...plainMinutes(history),
    ...(scopes.size > 0 && {
      scopes: Object.fromEntries([...scopes].map(([scope, minutes]) => [scope, plainMinutes(minutes)])),
    }),
    counted: counted.size === 0 ? null : causes.map((cause) => counted.get(cause) ?? 0).join(" "),
    distinct: Object.fromEntries(
      [...seen]
        .filter(([, users]) => users.size > 0)
        .map(([day, users]) => [new Date(day).toISOString().slice(0, 10).replaceAll("-", ""), users.size]),
    ),
  };
}

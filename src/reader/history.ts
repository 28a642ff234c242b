/**
 * Numbers over time, of the whole or of a scope. Per shard: what has ended, from a stream; what goes on, from the totals and, of a scope, from
 * `watched`. Then the shards are added up, part by part, and the parts of a step joined. A part that one shard does not know is a gap.
 */
import { PresenceError } from "../core/errors.ts";
import { distinctKey, scopePartKey, type ShardKeys } from "../core/keys.ts";
import { DAY_MS, DISTINCT_DAYS, DISTINCT_SPAN_DAYS, HISTORY_LATE_MS, MINUTE_MS } from "../core/limits.ts";
import { dayText, resolveDay, resolveStep, resolveTime, spanOf, type Step } from "../core/steps.ts";
import { invalid, refuseUnknown } from "../core/options.ts";
import { entriesOf, fieldsOf, integer, text } from "../redis/decode.ts";
import type { ReadCommand, Reply } from "../redis/port.ts";
import type { DistinctAnswer, HistoryAnswer, HistoryPoint, Measured } from "./answers/history.ts";
import { scopeCountsOf } from "./as-of.ts";
import type { ReaderContext, ShardAnswer } from "./context.ts";
import type { DistinctOptions, HistoryOptions, Reader } from "./types.ts";

/** Entries of one read. */
const PAGE = 1_000;
/** How many steps are shown without `from`. */
const STEPS = 60;
const TOTALS = "HMGET of the totals";

interface Part {
  readonly users: Measured;
  readonly sockets: Measured;
}
/** By their start, ms. */
type Parts = Map<number, Part>;

export function historyOver(context: ReaderContext): Pick<Reader, "history" | "distinct"> {
  const { keys, askAll, askPlain, combine, view } = context;
  const { scope } = view;

  async function partsOf(shard: number, { replies }: ShardAnswer, now: number, span: Span): Promise<Parts> {
    const own = keys[shard]!;
    const { step, from, to } = span;
    const parts: Parts = new Map();
    const stream = scope === undefined ? own[step.part] : scopePartKey(own, step.part, scope);
    // The one before may go on: quiet minutes are one entry.
    const [before] = await askPlain([["XREVRANGE", stream, String(from), "-", "COUNT", "1"]]);
    for (const { id, fields } of entriesOf(before, "XREVRANGE of a history")) put(parts, id, fields, span);
    for (let next = String(from); ;) {
      const [reply] = await askPlain([["XRANGE", stream, next, String(to - 1), "COUNT", String(PAGE)]]);
      const page = entriesOf(reply, "XRANGE of a history");
      for (const { id, fields } of page) put(parts, id, fields, span);
      if (page.length < PAGE) break;
      next = `(${page.at(-1)!.id}`;
    }
    const goingOn = currentOf(replies, now, scope);
    if (goingOn !== undefined) putCurrent(parts, goingOn, span);
    return parts;
  }

  async function distinctIn(days: readonly number[]): Promise<number> {
    const counts = await Promise.all(
      keys.map(async (own) => {
        const [reply] = await askPlain([["PFCOUNT", ...days.map((day) => distinctKey(own, day))]]);
        return integer(reply, "PFCOUNT of days");
      }),
    );
    // A user is in one shard.
    return counts.reduce((all, one) => all + one, 0);
  }

  /** Rejects with HISTORY_UNTRACKED where no shard has one, and with SCOPE_UNTRACKED where nobody knows of the scope. */
  async function open(): Promise<{ answers: ShardAnswer[]; now: number }> {
    const answers = await askAll((own) => currentCommands(own, scope));
    // A scope that is not tracked has 0 in Redis too: that is not said.
    if (scope !== undefined) combine(answers.map(({ asOf }) => asOf));
    if (!answers.some(({ replies }) => isKept(replies, scope)))
      throw new PresenceError(
        "HISTORY_UNTRACKED",
        scope === undefined
          ? "no numbers over time are kept: set `history` for whatever calls the projector (servers, worker, scheduled function)"
          : "no numbers over time are kept of this namespace or room: name it in `history.scopes` for whatever calls the projector (servers, worker, scheduled function)",
      );
    return { answers, now: Math.max(...answers.map(({ asOf }) => asOf.now)) };
  }

  async function history(options: HistoryOptions = {}): Promise<HistoryAnswer> {
    refuseUnknown(options, { from: true, to: true, step: true }, "history()");
    const step = resolveStep(options.step ?? "minute");
    const given = {
      from: options.from === undefined ? undefined : resolveTime("from", options.from),
      to: options.to === undefined ? undefined : resolveTime("to", options.to),
    };
    // Before Redis is asked for as much.
    if (given.from !== undefined && given.to !== undefined) spanOf(step, given.from, given.to);
    const { answers, now } = await open();
    const end = Math.min(given.to ?? now + 1, now + 1);
    const sixty = Math.max(0, Math.ceil(end / step.ms) - STEPS) * step.ms;
    const span = { step, ...spanOf(step, given.from ?? sixty, end) };
    const shards = await Promise.all(answers.map((answer, shard) => partsOf(shard, answer, now, span)));
    const points: HistoryPoint[] = [];
    for (let at = span.from; at < span.to; at += step.ms) {
      const found: Part[] = [];
      for (let part = at; part < at + step.ms; part += step.partMs) {
        const all = shards.map((parts) => parts.get(part)).filter((one) => one !== undefined);
        if (all.length === shards.length)
          found.push({ users: sum(all, "users"), sockets: sum(all, "sockets") });
      }
      const isGap = found.length === 0;
      points.push({
        at: new Date(at),
        users: isGap ? null : join(found, "users"),
        sockets: isGap ? null : join(found, "sockets"),
        distinct: isGap || step.part !== "days" ? null : await distinctOf(at, step, now),
      });
    }
    return {
      step: step.ms,
      from: new Date(span.from),
      to: new Date(span.to),
      bounds: context.shards > 1,
      points,
      asOf: combine(answers.map(({ asOf }) => asOf)),
    };
  }

  /** Null where not all of these days are kept, or they are too many. */
  async function distinctOf(at: number, { ms }: Step, now: number): Promise<number | null> {
    if (scope !== undefined) return null;
    const days = daysFrom(at, at + ms - DAY_MS).filter((day) => day <= now);
    return days.length <= DISTINCT_SPAN_DAYS && at >= oldest(now) ? distinctIn(days) : null;
  }

  async function distinct(options: DistinctOptions): Promise<DistinctAnswer> {
    refuseUnknown(options, { day: true, from: true, to: true }, "distinct()");
    const { day, from = day, to = day ?? from } = options;
    if (day !== undefined && (options.from ?? options.to) !== undefined)
      invalid("day stands for itself: give either day, or from and to");
    const [first, last] = [resolveDay(day === undefined ? "from" : "day", from), resolveDay("to", to)];
    if (last < first || (last - first) / DAY_MS >= DISTINCT_SPAN_DAYS)
      invalid(`from and to must be 1 to ${DISTINCT_SPAN_DAYS} days apart, both included`);
    const { answers, now } = await open();
    if (first < oldest(now))
      invalid(`${dayText(first)} is not kept any more: the oldest day is ${dayText(oldest(now))}`);
    return {
      from: dayText(first),
      to: dayText(last),
      distinct: await distinctIn(daysFrom(first, last)),
      asOf: combine(answers.map(({ asOf }) => asOf)),
    };
  }

  return { history, distinct };
}

/** The first day of which distinct users are kept. */
const oldest = (now: number) => now - (now % DAY_MS) - DISTINCT_DAYS * DAY_MS;

function daysFrom(first: number, last: number): number[] {
  return Array.from({ length: (last - first) / DAY_MS + 1 }, (_, i) => first + i * DAY_MS);
}

/** What is asked for. */
interface Span {
  readonly step: Step;
  readonly from: number;
  readonly to: number;
}

function currentCommands(own: ShardKeys, scope: string | undefined): readonly ReadCommand[] {
  const log = ["XRANGE", own.records, "-", "+", "COUNT", "1"] as const;
  if (scope === undefined) return [["HMGET", own.totals, "ran", "due", "minute", "hour", "day"], log];
  return [["HMGET", own.totals, "ran", "due", "watched", "watching"], log, ["HMGET", own.watched, scope]];
}

/** The minute that goes on, and the bounds of its hour and day so far; and until when nothing has changed since, for certain. */
interface Current {
  readonly minute: number;
  readonly part: Part;
  readonly hour: readonly number[];
  readonly day: readonly number[];
  readonly until: number;
  /** Whether that is now. */
  readonly isNow: boolean;
}

function numbers(value: string | null): number[] {
  return (value ?? "").split(" ").map((one) => integer(one, TOTALS));
}

const listOf = (value: string | null): readonly number[] => (value === null ? [] : numbers(value));

/** What goes on, without how far it is known. */
type Going = Pick<Current, "minute" | "part" | "hour" | "day"> & { readonly at: number | undefined };

/** Undefined: this shard keeps none. */
function goingOnIn(replies: readonly Reply[], scope: string | undefined): Going | undefined {
  return scope === undefined ? goingOnOfWhole(replies) : goingOnOfScope(replies, scope);
}

function goingOnOfWhole([totals]: readonly Reply[]): Going | undefined {
  const [, , text = null, hour = null, day = null] = fieldsOf(totals, TOTALS, 5);
  if (text === null) return undefined;
  const [minute = 0, at, u = 0, uMin = 0, uMax = 0, s = 0, sMin = 0, sMax = 0] = numbers(text);
  const part = { users: { last: u, min: uMin, max: uMax }, sockets: { last: s, min: sMin, max: sMax } };
  return { minute, at, part, hour: listOf(hour), day: listOf(day) };
}

/** `watched`: minute, when it was written, a score for each name; `watching`: the names. */
function goingOnOfScope([totals, , own]: readonly Reply[], scope: string): Going | undefined {
  const [, , head = null, names = null] = fieldsOf(totals, TOTALS, 4);
  const [text = null] = fieldsOf(own, "HMGET of watched", 1);
  const index = namesIn(names).indexOf(scope);
  if (head === null || text === null || index === -1) return undefined;
  const [minute = 0, at, ...scores] = numbers(head);
  const [bounds = null, hour = null, day = null] = text.split(",");
  const [uMin = 0, uMax = 0, sMin = 0, sMax = 0] = numbers(bounds);
  const { users, sockets } = scopeCountsOf(String(scores[index] ?? 0));
  const part = {
    users: { last: users, min: uMin, max: uMax },
    sockets: { last: sockets, min: sMin, max: sMax },
  };
  return { minute, at, part, hour: listOf(hour), day: listOf(day) };
}

function namesIn(text: string | null): readonly unknown[] {
  try {
    const names: unknown = JSON.parse(text ?? "[]");
    return Array.isArray(names) ? names : [];
  } catch {
    // Only a manual edit can have caused it.
    return [];
  }
}

const isKept = (replies: readonly Reply[], scope: string | undefined) =>
  goingOnIn(replies, scope) !== undefined;

function currentOf(replies: readonly Reply[], now: number, scope: string | undefined): Current | undefined {
  const going = goingOnIn(replies, scope);
  if (going === undefined) return undefined;
  const [ran = null, due = null] = fieldsOf(replies[0], TOTALS, scope === undefined ? 5 : 4);
  const [first] = entriesOf(replies[1], "XRANGE of records");
  const waiting = [
    ...(due === null || due.startsWith("-") ? [] : [integer(due, TOTALS)]),
    ...(first === undefined ? [] : [Number(first.id.split("-", 1)[0])]),
  ];
  // Somebody without a history has folded since, or work is overdue: as src/lua/project/history.lua has it.
  const isKnown = ran !== null && integer(ran, TOTALS) === going.at;
  const until = isKnown ? Math.min(now, ...waiting.map((ms) => ms + HISTORY_LATE_MS)) : going.minute;
  return { ...going, until, isNow: isKnown && until === now };
}

function putCurrent(parts: Parts, current: Current, { step, from, to }: Span): void {
  const { minute, part, until, isNow } = current;
  const { partMs } = step;
  const start = minute - (minute % partMs);
  const [own, ...bounds] = step.part === "hours" ? current.hour : step.part === "days" ? current.day : [];
  const [uMin, uMax, sMin, sMax] = own === start ? bounds : [];
  const widen = ({ last, min, max }: Measured, low = min, high = max): Measured => ({
    last,
    min: Math.min(min, low),
    max: Math.max(max, high),
  });
  const set = (at: number, one: Part) => void (at >= from && at < to && parts.set(at, one));
  set(start, { users: widen(part.users, uMin, uMax), sockets: widen(part.sockets, sMin, sMax) });
  // Of minutes, those that ended before `until`, and the one that goes on; an hour or a day counts from its first minute on.
  const still = { users: flat(part.users), sockets: flat(part.sockets) };
  const minutes = Math.max(
    minute,
    isNow ? until - (until % MINUTE_MS) : until - (until % MINUTE_MS) - MINUTE_MS,
  );
  const last = minutes - (minutes % partMs);
  for (let at = Math.max(start + partMs, from); at <= last && at < to; at += partMs) set(at, still);
}

const flat = ({ last }: Measured): Measured => ({ last, min: last, max: last });

/** What an entry says, and what its `until` stands for. */
function put(parts: Parts, id: string, fields: readonly string[], { step, from, to }: Span): void {
  const asked = "an entry of a history";
  const value = (name: string) => fields[fields.indexOf(name) + 1];
  const measured = (name: string): Measured => {
    const [last = 0, min = 0, max = 0] = text(value(name), asked)
      .split(" ")
      .map((one) => integer(one, asked));
    return { last, min, max };
  };
  const start = Number(id.split("-", 1)[0]);
  const part = { users: measured("users"), sockets: measured("sockets") };
  if (start >= from && start < to) parts.set(start, part);
  if (!fields.includes("until")) return;
  const until = integer(value("until"), asked);
  const still = { users: flat(part.users), sockets: flat(part.sockets) };
  const first = Math.max(start + step.partMs, from);
  for (let at = first; at <= until && at < to; at += step.partMs) parts.set(at, still);
}

/** Of the same time in all shards. */
function sum(all: readonly Part[], name: keyof Part): Measured {
  const add = (of: keyof Measured) => all.reduce((total, part) => total + part[name][of], 0);
  return { last: add("last"), min: add("min"), max: add("max") };
}

/** One after the other. */
function join(all: readonly Part[], name: keyof Part): Measured {
  return {
    last: all.at(-1)![name].last,
    min: Math.min(...all.map((part) => part[name].min)),
    max: Math.max(...all.map((part) => part[name].max)),
  };
}

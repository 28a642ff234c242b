/**
 * The plan of one history, made from its seed alone: who takes part, what users do, and what fails when. Events choose their
 * target as a fraction (`pick`), because who is there is only known when they happen.
 */
import type { ReadMode } from "../../src/projector/options.ts";
import { FAULTS, type Fault, type ProcessFault, type RedisFault } from "./faults.ts";
import { Random } from "../../rig/random.ts";

export type Act = "connect" | "disconnect" | "leave" | "identify" | "stop" | "join" | "part" | "roam";

export interface Planned {
  readonly at: number;
  readonly kind: Act | RedisFault | ProcessFault;
  /** Which process, or which refusal. */
  readonly pick: number;
  /** Which user, or how much. */
  readonly more: number;
  /** How long. */
  readonly ms: number;
}

/** A durable subscriber, and who serves it. */
export interface SubscriberPlan {
  readonly name: string;
  readonly from: "now" | "start";
  readonly turn: number;
  readonly timeout: number;
  readonly retries: readonly number[];
  readonly batch: number;
  readonly filter: "all" | "online" | "offline";
  readonly wants: (type: "online" | "offline") => boolean;
  /** For each node: does it serve it? */
  readonly nodes: readonly boolean[];
  /** How many processes serve it besides. */
  readonly alone: number;
  /** How often a scheduled deliver() runs, ms; 0: there is none. */
  readonly deliverEvery: number;
}

export interface Plan {
  readonly seed: number;
  readonly ttl: number;
  readonly grace: number;
  readonly linger: number;
  /** For each node: does its recorder project as well? */
  readonly nodes: readonly boolean[];
  /** For each node: does it track namespaces and rooms? */
  readonly tracks: readonly boolean[];
  /** The budgets of the projectors that run as loops. */
  readonly loops: readonly number[];
  /** How often a scheduled sweep runs, ms; 0: there is none. */
  readonly sweepEvery: number;
  /** Who reads the log, projector by projector in the order they come, and again from the first. */
  readonly reads: readonly ReadMode[];
  readonly subscribed: number;
  readonly subscribers: readonly SubscriberPlan[];
  readonly faults: ReadonlySet<Fault>;
  readonly events: readonly Planned[];
  /** How long a record of a process that lives may wait to be folded, ms; undefined: faults decide. */
  readonly waitMax?: number;
  /** When faults and users' doings end. */
  readonly end: number;
}

/** Nearly everywhere all read alike. */
const READS: readonly (readonly ReadMode[])[] = [["group"], ["range"], ["group", "range", "auto"]];

/** Faults that happen at a moment; the others are drawn request for request. */
const TIMED: readonly (RedisFault | ProcessFault)[] = [
  "partition", "crash", "stall", "clock-back", "clock-forward", "failover", "wipe", "evict", "scripts", "refuse", "trim",
  "garbage", "storm", "rush", "upgrade",
]; // prettier-ignore

/** How often they are as likely as the others. */
const RARE: ReadonlySet<Fault> = new Set(["storm", "rush", "upgrade"]);
/** Of all histories, in how many there are subscribers. */
export const SUBSCRIBED = 0.15;
const RUSH_NODES = 6;
const RUSH_MS_MAX = 900;

/** `subscribed`: in what share of all histories there are subscribers. */
export function planOf(seed: number, allowed: ReadonlySet<Fault>, subscribed = SUBSCRIBED): Plan {
  const random = new Random(String(seed));
  const cast = random.fork("cast");
  const ttl = cast.pick([3_000, 6_000, 10_000]);
  const nodes = Array.from({ length: cast.int(2, 4) }, () => cast.chance(0.6));
  const loops = Array.from({ length: cast.pick([0, 0, 1, 1, 2]) }, () => cast.pick([200, 450, 2000]));
  // At least one process has to project.
  if (loops.length === 0 && !nodes.includes(true)) loops.push(200);
  const end = ttl * cast.int(2, 5);
  const faults = new Set(
    FAULTS.filter(
      (fault) => fault !== "trim-changes" && cast.chance(RARE.has(fault) ? 0.1 : 0.4) && allowed.has(fault),
    ),
  );

  // It takes as many that project to bring as many records as a turn is given for.
  if (faults.has("rush")) while (nodes.length < RUSH_NODES) nodes.push(true);

  const events: Planned[] = [];
  const scatter = (kind: Planned["kind"], count: number, duration: (r: Random) => number) => {
    const own = random.fork(kind);
    for (let i = 0; i < count; i++) {
      events.push({
        at: own.int(0, end),
        kind,
        pick: own.next(),
        more: own.next(),
        ms: Math.round(duration(own)),
      });
    }
  };
  const none = () => 0;
  scatter("connect", cast.int(10, 40), none);
  scatter("disconnect", cast.int(5, 25), none);
  scatter("leave", cast.int(0, 15), none);
  scatter("identify", cast.int(0, 8), none);
  scatter("stop", cast.int(0, 1), (r) => r.int(0, 2 * ttl));
  const rooms = random.fork("rooms");
  const isScoped = rooms.chance(0.85);
  const tracks = nodes.map(() => isScoped && rooms.chance(0.85));
  scatter("join", isScoped ? rooms.int(10, 50) : 0, none);
  scatter("part", isScoped ? rooms.int(5, 30) : 0, none);
  scatter("roam", isScoped && rooms.chance(0.15) ? rooms.int(1, 2) : 0, none);
  const serving = random.fork("subscribers");
  const subscribers = serving.chance(subscribed) ? subscribersOf(serving, nodes) : [];
  if (subscribers.length > 0 && serving.chance(0.4) && allowed.has("trim-changes")) {
    faults.add("trim-changes");
    scatter("trim-changes", serving.int(1, 3), none);
  }
  for (const fault of TIMED) {
    const count = cast.int(1, 3);
    if (faults.has(fault)) scatter(fault, count, (r) => lengthOf(fault, ttl, r));
  }
  return {
    seed,
    ttl,
    grace: cast.pick([0, 400, 4_000]),
    nodes,
    tracks,
    loops,
    sweepEvery: cast.pick([0, 4_000, 9_000]),
    linger: random.fork("linger").pick([0, 0, 0, 200, 1_000]),
    reads: random.fork("reads").pick(READS),
    subscribed,
    subscribers,
    faults,
    events: events.sort((a, b) => a.at - b.at),
    end,
  };
}

/** Names that a subscriber may have. */
const NAMES = ["billing", "mail"];

/** One or two, each served by two processes at least. */
export function subscribersOf(random: Random, nodes: readonly boolean[]): SubscriberPlan[] {
  return NAMES.slice(0, random.pick([1, 1, 2])).map((name) => {
    const own = random.fork(name);
    const filter = own.pick(["all", "all", "all", "online", "offline"] as const);
    return {
      name,
      from: own.pick(["now", "start"]),
      turn: own.pick([1_500, 4_000, 10_000]),
      timeout: own.pick([500, 2_000, 20_000]),
      retries: own.pick([[], [300, 300], Array<number>(20).fill(200), [0, 0, 0, 5_000]]),
      batch: own.pick([1, 1, 3, 20]),
      filter,
      wants: (type) => filter === "all" || filter === type,
      nodes: nodes.map(() => own.chance(0.3)),
      alone: own.pick([1, 1, 2]),
      deliverEvery: own.pick([0, 700, 2_500]),
    };
  });
}

const TOMBSTONE_MS = 3_600_000;

function lengthOf(fault: Fault, ttl: number, random: Random): number {
  const long = random.chance(0.3);
  if (fault === "rush") return RUSH_MS_MAX * (0.5 + random.next() / 2);
  if (fault === "clock-back" || fault === "clock-forward")
    return long ? TOMBSTONE_MS * (0.5 + random.next()) : 3 * ttl * random.next() ** 2;
  // Around a lease's length both sides matter: it just holds, it just does not.
  return ttl * (long ? 0.9 + random.next() / 5 : 2.5 * random.next() ** 2);
}

/**
 * Which socket of a user stays when each may have only one: the newest, decided the same way by every process. Pure: no clock, no I/O.
 *
 * A socket's place in the order is the id of the first record that its process made after it connected, and within one record how
 * many had connected on that process before. All connects of a user are in one log, so these ids are unique and totally ordered, and
 * a place once given never changes, even when the process registers again. The newest socket is therefore never ended by anyone.
 *
 * A process ends its own older sockets at once. When it learns the id, it announces the place to the others, which end theirs that
 * are older, or answer with a newer one. Announcements may come late, twice, in any order or not at all: repeated ones mend that.
 */
import { isBefore } from "./stream-id.ts";

/** A socket's place in the order. */
export interface Stamp {
  /** The id of the record's entry in the log. */
  readonly record: string;
  /** How many sockets had connected on the process, for those in the same record. */
  readonly n: number;
}

/** The newest socket of a contest on the process that announces it. */
export interface Announcement extends Stamp {
  readonly contest: string;
}

/** What to do after an event: sockets of this process to end, and what to tell the other processes. */
export interface Verdict<Socket> {
  readonly ended: readonly Socket[];
  readonly announced: readonly Announcement[];
}

export function isOlder(a: Stamp, b: Stamp): boolean {
  return a.record === b.record ? a.n < b.n : isBefore(a.record, b.record);
}

interface Entry<Socket> {
  readonly socket: Socket;
  readonly contest: string;
  readonly shard: number;
  readonly n: number;
  /** Undefined until the record is appended. */
  record: string | undefined;
}

interface Contest<Socket> {
  /** In the order in which they connected. Usually one: older ones are being ended. */
  readonly entries: Set<Entry<Socket>>;
  /** The newest that another process announced while a socket here had no place yet. */
  heard: Stamp | undefined;
}

interface Shard<Socket> {
  /** Connected since the last record was made. */
  waiting: Set<Entry<Socket>>;
  /** Connected before it was; it is not appended yet. */
  sent: Set<Entry<Socket>>;
}

/** The sockets of one process. A contest is what may have one socket: any text that all processes form alike. */
export class OnlyOne<Socket extends object> {
  readonly #contests = new Map<string, Contest<Socket>>();
  readonly #entries = new Map<Socket, Entry<Socket>>();
  readonly #shards: readonly Shard<Socket>[];
  #connected = 0;

  constructor(shards: number) {
    this.#shards = Array.from({ length: shards }, () => ({ waiting: new Set(), sent: new Set() }));
  }

  /** The contests of which this process has a socket. */
  get contests(): IterableIterator<string> {
    return this.#contests.keys();
  }

  /** Entries kept in memory: one for each socket that is open. */
  get size(): number {
    return this.#entries.size;
  }

  /** A socket connected, or has become this user's. Returns the older ones of this process, to be ended. */
  connected(contest: string, shard: number, socket: Socket): Socket[] {
    this.left(socket);
    const entry: Entry<Socket> = { socket, contest, shard, n: ++this.#connected, record: undefined };
    const { entries } = this.#of(contest);
    const older = [...entries].map((one) => one.socket);
    entries.add(entry);
    this.#entries.set(socket, entry);
    this.#shards[shard]!.waiting.add(entry);
    return older;
  }

  #of(contest: string): Contest<Socket> {
    const known = this.#contests.get(contest);
    if (known !== undefined) return known;
    const made: Contest<Socket> = { entries: new Set(), heard: undefined };
    this.#contests.set(contest, made);
    return made;
  }

  /** A socket has gone, or is another user's now. */
  left(socket: Socket): void {
    const entry = this.#entries.get(socket);
    if (entry === undefined) return;
    this.#entries.delete(socket);
    const { waiting, sent } = this.#shards[entry.shard]!;
    waiting.delete(entry);
    sent.delete(entry);
    const contest = this.#contests.get(entry.contest)!;
    contest.entries.delete(entry);
    if (contest.entries.size === 0) this.#contests.delete(entry.contest);
  }

  /** A record of this shard was made. It is appended before the next one is made. */
  taken(shard: number): void {
    const own = this.#shards[shard]!;
    own.sent = own.waiting;
    own.waiting = new Set();
  }

  /** It was appended under this id. */
  appended(shard: number, record: string): Verdict<Socket> {
    const own = this.#shards[shard]!;
    const { sent } = own;
    own.sent = new Set();
    const ended: Socket[] = [];
    const announced: Announcement[] = [];
    for (const entry of sent) entry.record = record;
    for (const entry of sent) {
      const contest = this.#contests.get(entry.contest)!;
      const { heard } = contest;
      if (heard !== undefined && isOlder({ record, n: entry.n }, heard)) ended.push(entry.socket);
      else if (newest(contest) === entry) announced.push({ contest: entry.contest, record, n: entry.n });
    }
    for (const entry of sent) forgetHeard(this.#contests.get(entry.contest)!);
    return { ended, announced };
  }

  /** Another process announced its newest socket. */
  heard({ contest: name, record, n }: Announcement): Verdict<Socket> {
    const contest = this.#contests.get(name);
    // A socket that connects later is newer.
    if (contest === undefined) return { ended: [], announced: [] };
    const stamp = { record, n };
    if (contest.heard === undefined || isOlder(contest.heard, stamp)) contest.heard = stamp;
    forgetHeard(contest);
    const ended: Socket[] = [];
    const announced: Announcement[] = [];
    for (const entry of contest.entries) {
      const own = stampOf(entry);
      if (own === undefined) continue;
      if (isOlder(own, stamp)) ended.push(entry.socket);
      else if (isOlder(stamp, own) && newest(contest) === entry) announced.push({ contest: name, ...own });
    }
    return { ended, announced };
  }

  /** What this process has to say of these contests. */
  announcements(contests: Iterable<string>): Announcement[] {
    const announced: Announcement[] = [];
    for (const name of contests) {
      const contest = this.#contests.get(name);
      const stamp = contest && stampOf(newest(contest));
      if (stamp !== undefined) announced.push({ contest: name, ...stamp });
    }
    return announced;
  }

  clear(): void {
    this.#contests.clear();
    this.#entries.clear();
    for (const shard of this.#shards) {
      shard.waiting.clear();
      shard.sent.clear();
    }
  }
}

/** A contest that is kept has at least one. */
function newest<Socket>({ entries }: Contest<Socket>): Entry<Socket> {
  return [...entries].at(-1)!;
}

function stampOf<Socket>({ record, n }: Entry<Socket>): Stamp | undefined {
  return record === undefined ? undefined : { record, n };
}

/** It matters to sockets without a place only. Kept longer, it would end new ones if the log were made anew with smaller ids. */
function forgetHeard<Socket>(contest: Contest<Socket>): void {
  for (const { record } of contest.entries) if (record === undefined) return;
  contest.heard = undefined;
}

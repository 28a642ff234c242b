/** What the vectors of fold.json are made of: logs and times in; the reply, what is told and the whole projection out. */
import type { HistoryKept } from "../../src/core/history.ts";
import { emptyProjection, type LogEntry, project, type Projection, sumsOf } from "../../model/fold.ts";
import { plainHistory } from "../../model/history.ts";
import { plain, plainMoves, plainScopes, withoutEmpty } from "../../model/plain.ts";
import { derivedKey, fingerprintOf, proofOf } from "../../model/mac.ts";
import { padsOf } from "../../src/core/mac.ts";
import { keysOf } from "../../src/core/keys.ts";
import { PROTOCOL } from "../../src/core/limits.ts";

export type Fields = string[];

/** Names and values as given; lists become JSON, numbers text. What stands in no order of the protocol stays as it is. */
export function fields(...pairs: [string, string | number | readonly unknown[]][]): Fields {
  return pairs.flatMap(([name, value]) => [
    name,
    Array.isArray(value) ? JSON.stringify(value) : String(value as string | number),
  ]);
}

type Rest = Record<string, string | number | readonly unknown[]>;

/** A record of `process`; the rest in the order given. The lease is 10 s. */
export function record(process: string, seq: number, rest: Rest): Fields {
  const { ttl = 10_000, ...others } = rest;
  return fields(["process", process], ["seq", seq], ["ttl", ttl], ...Object.entries(others));
}

export const first = (process: string, rest: Rest) => record(process, 1, { protocol: 2, ...rest });

/** The projection as a reader finds it. */
function after(state: Projection) {
  const { users, sockets, connections, graced } = sumsOf(state);
  return {
    users: plain([...state.users].map(([id, slots]) => [id, plain([...slots].map(([s, n]) => [`${s}`, n]))])),
    leaving: plain(state.leaving),
    processes: plain(
      [...state.leases].map(([id, deadline]) => [`${state.processes.get(id)!.slot}:${id}`, deadline]),
    ),
    states: plain(
      [...state.processes].map(([id, p]) => {
        const text = [p.state, p.seq, p.sockets, p.anonymous, p.connections, p.slot, p.grace];
        return [id, [...text, ...(p.state === "ended" ? [p.cause, p.at] : [])].join(" ")];
      }),
    ),
    about: plain(state.about),
    ended: plain(state.ended),
    totals: {
      users, sockets, connections, graced, folded: state.foldedId, ...state.ever, slots: state.slots, grace: state.longestGrace,
    }, // prettier-ignore
    ...withoutEmpty(plainScopes(state)),
  };
}

/** The prefix of vectors with keys, which their signatures depend on. */
export const PREFIX = "vectors";
export const RECORDS = keysOf(PREFIX, 0, 1).records;

/** What the script gets of the keys, from its tenth argument on. */
function argumentsOf(keys: readonly string[]): string[] {
  const mac = keys.map((key) => (key === "unsigned" ? key : fingerprintOf(key, PREFIX))).join(" ");
  const pads = keys.filter((key) => key !== "unsigned").flatMap((key) => padsOf(derivedKey(key, PREFIX)));
  return [mac, ...pads];
}

interface VectorCall {
  readonly append: readonly LogEntry[];
  readonly now: number;
  readonly reap: boolean;
  readonly budget: number;
  readonly history?: true | HistoryKept;
  readonly recordKeys?: readonly string[];
  readonly keyArguments?: readonly string[];
  readonly reply: object;
  readonly changes: readonly object[];
  readonly moves?: object;
  readonly rejected: readonly object[];
  readonly after: object;
}

export interface FoldVector {
  readonly name: string;
  readonly calls: readonly VectorCall[];
}

/** A log and calls of the model on it, one after the other. */
export class Story {
  now = 1_700_000_000_000;
  readonly calls: VectorCall[] = [];
  #state = emptyProjection();
  #log: LogEntry[] = [];
  #new: LogEntry[] = [];
  #n = 0;
  #at = 0;

  /** Appends at the current time, or `ahead` of it, ms. */
  log(entry: Fields, ahead = 0): this {
    this.#at = Math.max(this.#at, this.now + ahead);
    const one = { id: `${this.#at}-${++this.#n}`, fields: entry };
    this.#log.push(one);
    this.#new.push(one);
    return this;
  }

  wait(ms: number): this {
    this.now += ms;
    return this;
  }

  call({
    reap = true,
    budget = 1_000,
    recordKeys,
    history,
  }: {
    reap?: boolean;
    budget?: number;
    recordKeys?: readonly string[];
    history?: true | HistoryKept;
  } = {}): this {
    const { now } = this;
    const proven = recordKeys && proofOf(recordKeys, PREFIX, RECORDS);
    const outcome = project(this.#state, { now, log: this.#log, reap, budget, proven, history });
    this.#state = outcome.state;
    this.#log = this.#log.slice(outcome.taken);
    const { result: r } = outcome;
    this.calls.push({
      append: this.#new.splice(0), now, reap, budget,
      ...(history && { history }),
      ...(recordKeys && { recordKeys, keyArguments: argumentsOf(recordKeys) }),
      reply: {
        protocol: PROTOCOL, now, due: r.due ?? -1, more: r.more ? 1 : 0, folded: r.foldedId, records: r.records, operations: r.operations,
        skipped: r.skipped, fenced: r.fenced, rejected: r.rejected, reaped: r.reaped, givenBack: r.givenBack, changes: r.changes,
        held: r.held, left: r.left, rebuilt: 0, holder: "", turnLeft: 0, listenedLeft: 0, unheard: r.unheard ? 1 : 0,
      },
      changes: outcome.told.map((entry) => plain([...entry].map(([cause, users]) => [cause, [...users].sort()]))),
      ...(outcome.moved.length > 0 && { moves: plainMoves(outcome.moved) }),
      rejected: outcome.setAside,
      after: { ...after(this.#state), ...(history && { history: plainHistory(this.#state.history) }) },
    }); // prettier-ignore
    return this;
  }
}

const vectors: FoldVector[] = [];

/** The vectors that `tell` makes. */
export function collect(tell: () => void): FoldVector[] {
  vectors.length = 0;
  tell();
  return [...vectors];
}

export function vector(name: string, tell: (story: Story) => void): void {
  const story = new Story();
  tell(story);
  vectors.push({ name, calls: story.calls });
}

/** An entry that is set aside, between two records that are folded. */
export function setAside(name: string, ...entries: Fields[]): void {
  vector(`set aside: ${name}`, (story) => {
    story.log(first("p", { connect: ["ann"], sockets: 1 }));
    for (const entry of entries) story.log(entry);
    story.log(record("p", 2, { connect: ["ben"], sockets: 2 })).call();
  });
}

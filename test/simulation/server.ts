/**
 * Redis in the simulation: a real one that runs the real script, between a clock of ours and faults of ours. One
 * request is one event, so what it does is atomic here exactly where it is in Redis: a command, a script.
 *
 * Stream ids are ours too, made by Redis's own rule: the clock's ms, unless the last id is ahead of it; an id never
 * goes back. Changes and rejected entries keep the ids of the real clock; nothing here depends on them.
 */
import { keysOf, type ShardKeys } from "../../src/core/keys.ts";
import type { RecordEntry } from "../../src/core/record.ts";
import { type Command, type PipelinePort, type Reply, ReplyError } from "../../src/redis/port.ts";
import { calledOf, checkCall, told } from "./check.ts";
import { Violation } from "./faults.ts";
import { copyCommand, readCommand, readState, SCRIPTS, type State } from "./inspect.ts";
import { Oracle } from "./oracle.ts";
import { fieldsOf, isCommand, type Part, recordOf, type Refusal, type Request } from "./request.ts";
import { StreamIds } from "./stream-ids.ts";
import type { World } from "./world.ts";

/** What one part asks of the real Redis, and what its replies come to. */
interface Task {
  readonly commands: readonly Command[];
  readonly finish: (replies: (Reply | ReplyError)[]) => Reply | ReplyError;
}

const TOMBSTONE_MS = 3_600_000;
/** Where `now_ms` stands in a call of project.lua: after the name, the hash, 7 keys and their number, and 4 arguments. */
const CLOCK = 14;
/** Where the clock of Redis begins: far enough from 0 for a jump back. */
export const EPOCH_MS = 100_000_000;

/** What a replica has, apart from the copies of the keys. */
interface Snapshot {
  readonly oracle: Oracle;
  readonly ids: StreamIds;
  readonly tombstones: ReadonlyMap<string, number>;
}

const isCall = (part: Part): part is Command =>
  isCommand(part) && (part[0] === "EVALSHA" || part[0] === "EVAL");

export class Server {
  readonly keys: ShardKeys;
  readonly #world: World;
  readonly #port: PipelinePort;
  /** Every process id ever seen, so that nothing that should be gone can hide. */
  readonly #processes = new Set<string>();
  /** Those of them that ended and were given back whole. They are not read again until something may have touched them. */
  readonly #dormant = new Set<string>();
  /** The last state read, and its text: most calls find nothing to do, and what did not change was checked before. */
  #last: { readonly text: string; readonly state: State } | undefined;
  oracle = new Oracle();
  refusal: Refusal | undefined;
  /** Projector calls checked. */
  calls = 0;
  /** Told after every append, as a blocked XREAD is. */
  onAppend: () => void = () => {};
  #offset = EPOCH_MS;
  #forward = 0;
  #ids = new StreamIds();
  #knowsScript = true;
  #tombstones = new Map<string, number>();
  #snapshot: Snapshot | undefined;

  constructor(world: World, port: PipelinePort, prefix: string) {
    this.#world = world;
    this.#port = port;
    this.keys = keysOf(prefix, 0, 1);
  }

  get clock(): number {
    return this.#world.now + this.#offset;
  }

  /**
   * The time in which no lease may end early: real time, and jumps forward of the clock, which use leases up. Jumps back
   * may only lengthen one.
   */
  get #elapsed(): number {
    return this.#world.now + this.#forward;
  }

  jump(ms: number): void {
    // Never before 0: such a clock has no stream ids.
    this.#offset += Math.max(ms, 1000 - this.clock);
    if (ms > 0) this.#forward += ms;
  }

  forgetScripts(): void {
    this.#knowsScript = false;
  }

  /** Carries out a request. From its part `refusedFrom` on, a refusing server refuses. */
  async run(request: Request, refusedFrom = 0): Promise<(Reply | ReplyError)[]> {
    await this.#forgetTombstones();
    const replies: (Reply | ReplyError)[] = [];
    // A call is checked against what the one before it left, so each goes with what comes before the next.
    const calls = request.flatMap((part, i) => (isCall(part) ? [i] : []));
    const ends = [...calls.slice(1), request.length];
    for (const [i, end] of ends.entries()) {
      const first = i === 0 ? 0 : calls[i]!;
      replies.push(...(await this.#carryOut(request.slice(first, end), Math.max(0, refusedFrom - first))));
    }
    return replies;
  }

  async #carryOut(request: Request, refusedFrom: number): Promise<(Reply | ReplyError)[]> {
    const tasks = request.map((part, i) => this.#task(part, i >= refusedFrom ? this.refusal : undefined));
    // One round trip for all of it: half of the simulation's time is spent there.
    const replies = await this.#send(tasks.flatMap((task) => task.commands));
    let first = 0;
    return tasks.map(({ commands, finish }) => {
      const own = replies.slice(first, (first += commands.length));
      return finish(own);
    });
  }

  #task(part: Part, refusal: Refusal | undefined): Task {
    const refuse = (text: string): Task => ({ commands: [], finish: () => new ReplyError(text) });
    if (refusal === "LOADING") return refuse("LOADING Redis is loading the dataset in memory");
    const evaluates = isCall(part);
    const appended = fieldsOf(part);
    const writes = evaluates || appended !== undefined || (isCommand(part) && part[0] === "XREADGROUP");
    if (refusal === "READONLY" && writes) return refuse("READONLY You can't write here.");
    // Scripts go on without memory: the first write of ours is XREADGROUP, which needs none.
    if (refusal === "OOM" && appended !== undefined) return refuse("OOM command not allowed");
    if (appended !== undefined) return this.#append(appended, recordOf(part) ?? null);
    if (!isCommand(part)) throw new Error("a part that appends nothing is a command");
    if (part[0] === "EVALSHA" && !this.#knowsScript) return refuse("NOSCRIPT No matching script.");
    if (isCall(part)) return this.#project(part);
    return { commands: [part], finish: ([reply]) => reply! };
  }

  /** The real script with our clock for its placeholder, and everything it must hold checked in the same round trip. */
  #project(command: Command): Task {
    this.#knowsScript = true;
    const { oracle } = this;
    const ids = [...this.#processes].filter((id) => !this.#dormant.has(id));
    const after = oracle.changeId;
    const timed: Command = [
      command[0],
      ...command.slice(1, CLOCK),
      String(this.clock),
      ...command.slice(CLOCK + 1),
    ];
    const finish = ([reply, found]: (Reply | ReplyError)[]): Reply => {
      if (reply instanceof ReplyError)
        throw new Violation("INV-7", `a call of the projector failed: ${reply.message}`);
      const called = calledOf(reply as readonly Reply[], command[CLOCK - 1] === "1");
      const same = this.#last?.text === found;
      const state = same ? this.#last!.state : readState(found as string, after, ids);
      this.#last = { text: found as string, state };
      this.calls++;
      // Calls that found nothing to do would push what matters out of the trace.
      if (!same || called.records > 0)
        this.#world.note(`  ${told(called)}, tells ${state.changes.length} changes`);
      checkCall(called, state, oracle, this.#elapsed, same);
      this.#bury(state);
      return reply!;
    };
    return { commands: [timed, readCommand(this.keys, after, ids)], finish };
  }

  #bury(state: State): void {
    for (const [id, { buried }] of state.processes) {
      if (!buried || this.#dormant.has(id)) continue;
      // A late record of it waits in the log: a call that folds nothing (client-read mode) must not hide it.
      if (this.oracle.log.some(({ record }) => record?.process === id)) continue;
      this.#dormant.add(id);
      this.#last = undefined;
      this.#tombstones.set(id, this.clock + TOMBSTONE_MS);
    }
  }

  /** XADD with the id Redis would give it. */
  #append(fields: readonly string[], record: RecordEntry | null): Task {
    const id = this.#ids.next(this.clock);
    if (record !== null) {
      this.#processes.add(record.process);
      this.#dormant.delete(record.process);
    }
    this.oracle.log.push({ id, record, at: this.#elapsed });
    this.onAppend();
    return { commands: [["XADD", this.keys.records, id, ...fields]], finish: ([reply]) => reply! };
  }

  /** The whole projection as it is. */
  async state(): Promise<State> {
    const ids = [...this.#processes];
    const [found] = await this.#send([readCommand(this.keys, this.oracle.changeId, ids)]);
    return readState(found as string, this.oracle.changeId, ids);
  }

  /** Who has records in the log, apart from `others`. */
  unfolded(others: readonly string[]): string[] {
    return this.oracle.log.flatMap(({ record }) =>
      record === null || others.includes(record.process) ? [] : [record.process],
    );
  }

  /** The replica receives everything up to now. */
  async replicate(): Promise<void> {
    const keys = this.#all();
    await this.#send([copyCommand(keys, keys.map(replicaOf))]);
    this.#snapshot = {
      oracle: this.oracle.clone(),
      ids: this.#ids.clone(),
      tombstones: new Map(this.#tombstones),
    };
  }

  /** The replica takes over with what it has. */
  async failover(): Promise<void> {
    if (this.#snapshot === undefined) return;
    const keys = this.#all();
    await this.#send([copyCommand(keys.map(replicaOf), keys)]);
    const { oracle, ids, tombstones } = this.#snapshot;
    this.oracle = oracle.clone();
    this.#ids = ids.clone();
    this.#tombstones = new Map(tombstones);
    this.#dormant.clear();
    this.#last = undefined;
  }

  /** Redis loses all keys. */
  async wipe(): Promise<void> {
    await this.#send([["UNLINK", ...this.#all()]]);
    this.oracle = new Oracle();
    this.#ids = new StreamIds();
    this.#tombstones.clear();
    this.#last = undefined;
  }

  /** The oldest of what is not folded yet falls off the log. Returns how many entries that were. */
  async trim(share: number): Promise<number> {
    const { log } = this.oracle;
    const kept = Math.floor(log.length * share);
    const lost = log.length - kept;
    await this.#send([["XTRIM", this.keys.records, "MAXLEN", String(kept)]]);
    log.splice(0, lost);
    return lost;
  }

  /** Leaves nothing behind. */
  async close(): Promise<void> {
    const keys = this.#all();
    await this.#send([["UNLINK", ...keys, ...keys.map(replicaOf)]]);
  }

  /** Only a script of the projection may fail, and a read of a log that is gone; the rest is the simulation's own. */
  async #send(commands: readonly Command[]): Promise<(Reply | ReplyError)[]> {
    if (commands.length === 0) return [];
    const replies = await this.#port.pipeline(commands);
    for (const [i, reply] of replies.entries()) {
      const [name, hash] = commands[i]!;
      const projects =
        name === "EVAL" ||
        name === "XREADGROUP" ||
        (name === "EVALSHA" && !SCRIPTS.some(({ sha1 }) => sha1 === hash));
      if (reply instanceof ReplyError && !projects) throw new Error(`${name}: ${reply.message}`);
    }
    return replies;
  }

  #all(): string[] {
    const processes = [...this.#processes].flatMap((id) => [
      this.keys.process(id),
      this.keys.processUsers(id),
    ]);
    return [...this.keys.list, ...processes];
  }

  /** Expiry goes by the clock of Redis, jumps and all. */
  async #forgetTombstones(): Promise<void> {
    for (const [id, deadline] of this.#tombstones) {
      if (deadline > this.clock) continue;
      this.#tombstones.delete(id);
      this.oracle.processes.delete(id);
      await this.#send([["DEL", this.keys.process(id)]]);
    }
  }
}

function replicaOf(key: string): string {
  return `replica:${key}`;
}

/**
 * Goal: in scopes nothing depends on how records are grouped into calls, nor on the path (INV-12, INV-16); and whatever happens, all that
 * Redis holds of scopes agrees after each call and equals what is open at rest.
 * Method: random histories of processes whose sockets come, join, part, drop and go. One is folded in several ways, which must end in the
 * same keys; another with leases that end, a clock that jumps back and small budgets. A failure prints its seed; repeat it with
 * `FUZZ_SEED=<seed> npx vitest run test/unit/lua/scopes-random.test.ts`.
 */
import { afterAll, beforeAll, expect, it } from "vitest";
import { entryOf } from "../../../rig/entry.ts";
import { Random } from "../../../rig/random.ts";
import { type RedisServer, startRedis } from "../../../rig/redis.ts";
import { readScopes, transitionsOf } from "../../../rig/scopes.ts";
import { TestShard } from "../../../rig/shard.ts";

const SEED = globalThis.process.env["FUZZ_SEED"] ?? String(Math.floor(Math.random() * 2 ** 31));
const RUNS = Number(globalThis.process.env["FUZZ_RUNS"] ?? 12);
const BEGIN = 1_000_000;
const TTL = 20_000;
const USERS = ["a", "b", "c", "d", ""];
const SCOPES = ["/", "/,r", "*/,s", "*/,t", "/chat,u"];

let server: RedisServer;
beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());

type Lists = Map<string, string[]>;

/** One socket: who, and where. */
interface Socket {
  readonly user: string;
  readonly scopes: Set<string>;
}

const WAYS = [["disconnect", "drop"], ["leave", "part"], ["close", "shut"]] as const; // prettier-ignore

/** A process that writes its records as the protocol says, without netting. */
class Process {
  readonly sockets: Socket[] = [];
  readonly grace: number;
  readonly #random: Random;
  readonly #users: Record<string, string[]> = {};
  readonly #scopes: Record<string, Lists> = {};
  id: string;
  #seq = 0;

  constructor(id: string, grace: number, random: Random) {
    this.id = id;
    this.grace = grace;
    this.#random = random;
  }

  #member(kind: string, scope: string, user: string): void {
    const list = (this.#scopes[kind] ??= new Map<string, string[]>());
    list.set(scope, [...(list.get(scope) ?? []), user]);
  }

  #came({ user, scopes }: Socket): void {
    if (user !== "") (this.#users["connect"] ??= []).push(user);
    for (const scope of scopes) this.#member("join", scope, user);
  }

  open(): void {
    const scopes = new Set(SCOPES.filter(() => this.#random.chance(0.4)));
    const socket = { user: this.#random.pick(USERS), scopes };
    this.sockets.push(socket);
    this.#came(socket);
  }

  move(): void {
    if (this.sockets.length === 0) return this.open();
    const { user, scopes } = this.#random.pick(this.sockets);
    const scope = this.#random.pick(SCOPES);
    if (scopes.delete(scope)) this.#member("part", scope, user);
    else {
      scopes.add(scope);
      this.#member("join", scope, user);
    }
  }

  go(way: number): void {
    const [socket] = this.sockets.splice(this.#random.int(0, Math.max(0, this.sockets.length - 1)), 1);
    if (socket === undefined) return;
    const [whole, part] = WAYS[way]!;
    if (socket.user !== "") (this.#users[whole] ??= []).push(socket.user);
    for (const scope of socket.scopes) this.#member(part, scope, socket.user);
  }

  restate(id: string): void {
    this.id = id;
    this.#seq = 0;
    for (const lists of [this.#users, this.#scopes])
      for (const name of Object.keys(lists)) delete lists[name];
    for (const socket of this.sockets) this.#came(socket);
  }

  /** The record of all since the last one. `wrong`: which check digit is. */
  take(more: Readonly<Record<string, unknown>> = {}, wrong?: "sockets" | "memberships"): string[] {
    const memberships = this.sockets.reduce((all, { scopes }) => all + scopes.size, 0);
    const scopeList = (name: string) =>
      Array.from(this.#scopes[name] ?? [], ([scope, users]) => [scope, ...users]);
    const record: Record<string, unknown> = {
      process: this.id,
      seq: ++this.#seq,
      ttl: TTL,
      ...(this.#seq === 1 && { grace: this.grace, tracks: ["/", "/,*"] }),
      ...Object.fromEntries(["connect", "disconnect", "leave", "close"].map((name) => [name, this.#users[name] ?? []])),
      anonymous: this.sockets.filter(({ user }) => user === "").length,
      sockets: this.sockets.length + (wrong === "sockets" ? 1 : 0),
      ...Object.fromEntries(["join", "drop", "part", "shut"].map((name) => [name, scopeList(name)])),
      memberships: memberships + (wrong === "memberships" ? 1 : 0),
      ...more,
    }; // prettier-ignore
    for (const lists of [this.#users, this.#scopes])
      for (const name of Object.keys(lists)) delete lists[name];
    const isEmpty = (value: unknown) => Array.isArray(value) && value.length === 0;
    return entryOf(Object.fromEntries(Object.entries(record).filter(([, value]) => !isEmpty(value))));
  }
}

interface Entry {
  readonly at: number;
  readonly fields: readonly string[];
}

/** A history without the end of a lease or of a grace. */
function logOf(random: Random): Entry[] {
  const log: Entry[] = [];
  let at = BEGIN;
  let names = 0;
  const fresh = () => new Process(`p${++names}`, random.pick([0, 30_000]), random);
  const processes = [fresh(), fresh(), fresh()];
  for (let i = random.int(20, 90); i > 0; i--) {
    const place = random.int(0, 2);
    const one = processes[place]!;
    const what = random.next();
    if (what < 0.25) one.open();
    else if (what < 0.45) one.move();
    else if (what < 0.65) one.go(random.int(0, 2));
    else if (what < 0.93) {
      at += random.int(0, 20);
      const wrong = random.chance(0.04) ? random.pick(["sockets", "memberships"] as const) : undefined;
      const fields = one.take({}, wrong);
      if (!random.chance(0.02)) log.push({ at, fields });
      if (random.chance(0.03)) log.push({ at, fields });
    } else if (what < 0.97) {
      const { id } = one;
      one.restate(`p${++names}`);
      log.push({ at: ++at, fields: one.take({ replaces: [id] }) });
    } else {
      // Without a goodbye of its sockets they are searched for.
      if (random.chance(0.6)) while (one.sockets.length > 0) one.go(2);
      log.push({ at: ++at, fields: one.take({ bye: "" }) });
      processes[place] = fresh();
    }
  }
  for (const one of processes) if (random.chance(0.4)) log.push({ at: ++at, fields: one.take({ bye: "" }) });
  return log;
}

interface Way {
  readonly sizes: readonly number[];
  readonly checks: readonly boolean[];
  readonly budget: number;
}

async function fold(log: readonly Entry[], { sizes, checks, budget }: Way, later: number) {
  const shard = new TestShard(server.url, { budget });
  const { redis, keys } = shard;
  shard.now = log.at(-1)?.at ?? BEGIN;
  const drain = async (check: boolean) => {
    for (let more = true; more;) ({ more } = await shard.step({ check }));
  };
  for (let done = 0, group = 0; done < log.length; group++) {
    const entries = log.slice(done, done + sizes[group % sizes.length]!);
    for (const [i, { at, fields }] of entries.entries())
      await redis.xadd(keys.records, `${at}-${done + i + 1}`, ...fields);
    done += entries.length;
    await drain(checks[group % checks.length]!);
    await shard.check();
  }
  shard.now += later;
  await drain(false);
  await shard.check();
  const { moves, moved: _, told, ...read } = await readScopes(redis, keys);
  const present = new Map<string, boolean>();
  for (const one of transitionsOf(moves))
    if (one !== "rebuilt") present.set(`${one.scope} ${one.user}`, one.cause === "connect");
  const totals = await shard.totals();
  const outcome = {
    ...read,
    told: [...told].sort(),
    present: [...present].filter(([, is]) => is).map(([name]) => name).sort(),
    users: await redis.hgetall(keys.users),
    leaving: await redis.zrange(keys.leaving, "0", "-1", "WITHSCORES"),
    states: await redis.hgetall(keys.states),
    totals: ["users", "sockets", "graced", "lingering", "scoped", "fenced", "rebuilt", "rejected"].map((name) => totals[name]),
  }; // prettier-ignore
  await redis.flushdb();
  await shard.close();
  return outcome;
}

it(`INV-12: the same log gives the same scopes, however it is grouped into calls (FUZZ_SEED=${SEED})`, async () => {
  for (let run = 0; run < RUNS; run++) {
    const seed = `${SEED}/${run}`;
    const random = new Random(seed);
    const log = logOf(random);
    const later = random.pick([0, 29_000, 100_000]);
    const sizes = Array.from({ length: 5 }, () => random.int(1, 9));
    const fine = await fold(log, { sizes: [1], checks: [false], budget: 1_000 }, later);
    for (const way of [
      { sizes: [1], checks: [true], budget: 1_000 },
      { sizes: [1_000], checks: [false], budget: 1_000 },
      { sizes: [1_000], checks: [true], budget: 100 },
      { sizes, checks: [false, true], budget: random.pick([100, 1_000]) },
    ])
      expect([seed, way, await fold(log, way, later)]).toEqual([seed, way, fine]);
  }
}, 240_000);

it(`INV-16: whatever ends when, everything agrees after each call (FUZZ_SEED=${SEED})`, async () => {
  for (let run = 0; run < RUNS; run++) {
    const seed = `${SEED}/end/${run}`;
    const random = new Random(seed);
    const shard = new TestShard(server.url, { budget: random.pick([100, 1_000]) });
    let names = 0;
    const fresh = () => new Process(`p${++names}`, random.pick([0, 3_000, 30_000]), random);
    const processes = [fresh(), fresh(), fresh()];
    try {
      for (let i = 0; i < 120; i++) {
        const place = random.int(0, 2);
        const one = processes[place]!;
        const what = random.next();
        if (what < 0.25) one.open();
        else if (what < 0.45) one.move();
        else if (what < 0.6) one.go(random.int(0, 2));
        else if (what < 0.85) {
          shard.now += random.int(0, 2_000);
          const state = await shard.redis.hget(shard.keys.states, one.id);
          const { id } = one;
          if (state !== null && !state.startsWith("live ")) one.restate(`p${++names}`);
          await shard.append(...one.take({ ...(id !== one.id && { replaces: [id] }) }));
        } else if (what < 0.9) await shard.append(...one.take({}, random.pick(["sockets", "memberships"])));
        else if (what < 0.93) processes[place] = fresh();
        else if (what < 0.96) {
          await shard.append(...one.take({ bye: "" }));
          processes[place] = fresh();
        } else if (what < 0.98) shard.now += random.int(2_000, 40_000);
        else {
          // New ids follow the last one, whatever the clock says.
          await shard.drain();
          await shard.redis.del(shard.keys.records);
          shard.now -= random.int(1_000, 20_000);
        }
        if (random.chance(0.7)) {
          await shard.step({ check: random.chance(0.3) });
          await shard.check();
        }
      }
      for (const one of processes) {
        const { id } = one;
        one.restate(`p${++names}`);
        await shard.append(...one.take({ replaces: [id] }));
      }
      await shard.drain();
      // All leases of others end, those of fenced processes too.
      for (let beats = 0; beats < 8; beats++) {
        shard.now += 10_000;
        for (const one of processes) await shard.append(...one.take());
        await shard.drain();
      }
      await shard.check();
      const open = new Map<string, number>();
      for (const { sockets } of processes)
        for (const { scopes } of sockets)
          for (const scope of scopes) open.set(scope.replace(/^\*/, ""), (open.get(scope.replace(/^\*/, "")) ?? 0) + 1);
      const { scores } = await readScopes(shard.redis, shard.keys);
      const found = Object.entries(scores).flatMap(([scope, n]) => (n % 2 ** 26 > 0 ? [[scope, n % 2 ** 26]] : []));
      expect(Object.fromEntries(found)).toEqual(Object.fromEntries(open));
      expect((await shard.totals())["rebuilt"]).toBe("0");
    } catch (error) {
      throw new Error(`FUZZ_SEED of this run: ${seed}`, { cause: error });
    }
    await shard.redis.flushdb();
    await shard.close();
  }
}, 240_000); // prettier-ignore

/**
 * Compares presence with the clients, again and again: over a direct connection to Redis that no fault affects, so that it
 * sees the state of presence and not of the network.
 */
import { Redis } from "ioredis";
import { readerOver } from "../../src/reader/reader.ts";
import { ioredisPort } from "../../src/redis/ioredis.ts";
import { pause } from "../../rig/pace.ts";
import type { Crowd, Present } from "./crowd.ts";
import type { Fleet } from "./fleet.ts";
import { Gate } from "./gate.ts";
import { PREFIX, TTL_MS } from "./settings.ts";

const POLL_MS = 40;
/** A Redis that is stopped answers nothing: the next poll asks again. */
const ANSWER_TIMEOUT_MS = 1_000;

export interface Sample {
  /** When it was asked, performance.now(). */
  readonly at: number;
  /** In what they, or what listeners were told, differ; null: in nothing; undefined: there is no saying, the clients changed meanwhile. */
  readonly problem: string | null | undefined;
  readonly usersOff: number;
  readonly socketsOff: number;
  /** How far the leases of the nodes reach back: each was renewed at this time or later, ms since 1970; 0: not all. */
  readonly renewedAt: number;
}

export interface Witness extends AsyncDisposable {
  /** Called with each comparison that could be made. */
  onSample: (sample: Sample) => void;
}

export async function openWitness(
  { crowd, fleet }: { crowd: Crowd; fleet: Fleet },
  shards: number,
  target: () => number,
): Promise<Witness> {
  const gate = await Gate.open(target);
  const redis = new Redis(gate.url, {
    retryStrategy: () => POLL_MS,
    maxRetriesPerRequest: 0,
    socketTimeout: ANSWER_TIMEOUT_MS,
  });
  // No answer is a sample that differs.
  redis.on("error", () => {});
  const reader = readerOver(ioredisPort(redis), { prefix: PREFIX, shards });
  const closing = new AbortController();

  /** 0 when a node that is up is not known, or a process that is no node's. */
  async function oldestRenewal(): Promise<number> {
    const { processes } = await reader.processes();
    const up = new Set(fleet.up.map(({ child }) => child!.pid));
    const known = new Set(processes.map(({ pid }) => pid!));
    if (known.size !== up.size || [...up].some((pid) => !known.has(pid))) return 0;
    return Math.min(...processes.map(({ leaseUntil }) => (leaseUntil?.getTime() ?? 0) - TTL_MS));
  }

  /** In what a room, or the namespace, differs from where the tabs are; null: in nothing. */
  async function problemIn(room: string | undefined, truth: Present): Promise<string | null> {
    const scope = room === undefined ? reader.of("/") : reader.in(room);
    const [{ users, sockets }, present] = await Promise.all([scope.counts(), idsOf(scope.users())]);
    const stray = [...present].filter((user) => !truth.users.has(user));
    const missing = [...truth.users].filter((user) => !present.has(user));
    if (sockets !== truth.sockets || users !== truth.users.size || stray.length + missing.length > 0)
      return (
        `${room === undefined ? "the namespace" : `room ${room}`}: ${sockets} sockets counted, ${truth.sockets} there; ${users} users ` +
        `counted, ${truth.users.size} there; present and not there: ${list(stray)}; there and not present: ${list(missing)}`
      );
    const listeners = room === undefined ? undefined : fleet.roomListeners.get(room);
    const told = listeners?.untrue(
      fleet.up.map(({ name }) => name),
      present,
    );
    return told == null ? null : `room ${room}: ${told}`;
  }

  async function sample(): Promise<Sample> {
    const at = performance.now();
    const { version } = crowd.truth();
    try {
      const before = crowd.truth();
      // At once, since it all counts only if no client changes meanwhile.
      const [counts, present, renewedAt, ...inScopes] = await Promise.all([
        reader.counts(),
        idsOf(reader.users()),
        oldestRenewal(),
        problemIn(undefined, before),
        ...[...before.rooms].map(([room, own]) => problemIn(room, own)),
      ]);
      const elsewhere = inScopes.find((problem) => problem !== null) ?? null;
      const truth = crowd.truth();
      const stray = [...present].filter((user) => !truth.users.has(user));
      const missing = [...truth.users].filter((user) => !present.has(user));
      const socketsOff = Math.abs(counts.sockets - truth.sockets);
      const usersOff = stray.length + missing.length;
      const told = fleet.listeners.difference(
        fleet.up.map(({ name }) => name),
        present,
      );
      const agrees = usersOff === 0 && socketsOff === 0 && counts.users === truth.users.size;
      const problem = agrees
        ? (told ?? elsewhere)
        : `sockets: ${counts.sockets} counted, ${truth.sockets} open; users: ${counts.users} counted, ${truth.users.size} ` +
          `connected; present and not connected: ${list(stray)}; connected and not present: ${list(missing)}`;
      return {
        at,
        problem: truth.version === version && !truth.isMoving ? problem : undefined,
        usersOff,
        socketsOff,
        renewedAt,
      };
    } catch (error) {
      return {
        at,
        problem: `no answer: ${(error as Error).message}`,
        usersOff: 0,
        socketsOff: 0,
        renewedAt: 0,
      };
    }
  }

  const witness: Witness = {
    onSample() {},
    async [Symbol.asyncDispose]() {
      closing.abort();
      redis.disconnect();
      await watching;
      await gate.close();
    },
  };
  const watching = (async () => {
    while (!closing.signal.aborted) {
      witness.onSample(await sample());
      await pause(POLL_MS, closing.signal).catch(() => {});
    }
  })();
  return witness;
}

async function idsOf(users: AsyncIterable<{ readonly id: string }>): Promise<Set<string>> {
  const ids = new Set<string>();
  for await (const { id } of users) ids.add(id);
  return ids;
}

function list(users: readonly string[]): string {
  return users.length === 0 ? "none" : users.slice(0, 5).join(" ") + (users.length > 5 ? " …" : "");
}

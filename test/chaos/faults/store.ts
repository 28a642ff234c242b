/** Faults of Redis itself: restarted, replaced, emptied, stopped. */
import type { Fault } from "../scene.ts";
import { PROMPT_BOUND_MS, REDIS_BOUND_MS, TTL_MS } from "../settings.ts";

/** How long Redis is away between two of its lives, and how much it forgets, ms. */
const AWAY_MS_MIN = 50;
const AWAY_MS_MAX = 2_000;
const LOST_MS_MIN = 50;
const LOST_MS_MAX = 800;

const restart: Fault = {
  name: "restart Redis with its data",
  async run({ store, random, signal, healed, note }) {
    const away = random.int(AWAY_MS_MIN, AWAY_MS_MAX);
    note(`away for ${away} ms`);
    await store.restart(away, signal);
    await healed(REDIS_BOUND_MS);
  },
};

const restartFromSnapshot: Fault = {
  name: "restart Redis from a snapshot",
  async run({ store, random, signal, healed, note }) {
    const [lost, away] = [random.int(LOST_MS_MIN, LOST_MS_MAX), random.int(AWAY_MS_MIN, AWAY_MS_MAX)];
    note(`${lost} ms lost, away for ${away} ms`);
    await store.restartFromSnapshot(lost, away, signal);
    await healed(REDIS_BOUND_MS);
  },
};

/** The counts are incomplete until the last node has sent its full state: a user who leaves one node is reported offline. */
const restartEmpty: Fault = {
  name: "restart Redis without its data",
  async run({ store, random, signal, healed, excuse, note }) {
    const away = random.int(AWAY_MS_MIN, AWAY_MS_MAX);
    note(`away for ${away} ms`);
    excuse("everybody");
    await store.restartEmpty(away, signal);
    await healed(REDIS_BOUND_MS);
  },
};

const flush: Fault = {
  name: "FLUSHALL",
  async run({ store, healed, excuse }) {
    excuse("everybody");
    await store.ask((redis) => redis.flushall());
    await healed(REDIS_BOUND_MS);
  },
};

const promote: Fault = {
  name: "promote a replica",
  async run({ store, fleet, random, signal, healed, note }) {
    const lost = random.int(LOST_MS_MIN, LOST_MS_MAX);
    note(`${lost} ms of writes lost`);
    await store.promote(lost, signal);
    for (const { gate } of fleet.members) gate.cut();
    await healed(REDIS_BOUND_MS);
  },
};

const scriptFlush: Fault = {
  name: "SCRIPT FLUSH",
  async run({ store, healed }) {
    await store.ask((redis) => redis.script("FLUSH"));
    await healed(PROMPT_BOUND_MS);
  },
};

/** A heartbeat is a third of the lease: two thirds of it are always left, and a stall of half a lease ends none. */
const stall: Fault = {
  name: "stall Redis within the lease",
  async run({ store, random, healed, note, pause }) {
    const ms = random.int(300, TTL_MS / 2);
    note(`${ms} ms`);
    const { pid } = store;
    process.kill(pid, "SIGSTOP");
    try {
      await pause(ms);
    } finally {
      process.kill(pid, "SIGCONT");
    }
    await healed(REDIS_BOUND_MS);
  },
};

export const STORE_FAULTS: readonly Fault[] = [restart, restartFromSnapshot, restartEmpty, flush, promote, scriptFlush, stall]; // prettier-ignore

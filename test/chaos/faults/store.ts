/** Faults of Redis itself: restarted, replaced, emptied, stopped. */
import { keysOf } from "../../../src/core/keys.ts";
import type { Fault, Scene } from "../scene.ts";
import { LEASE_BOUND_MS, PREFIX, PROMPT_BOUND_MS, REDIS_BOUND_MS, TTL_MS } from "../settings.ts";

/** How long Redis is away between two of its lives, and how much it forgets, ms. */
const AWAY_MS_MIN = 50;
const AWAY_MS_MAX = 2_000;
const LOST_MS_MIN = 50;
const LOST_MS_MAX = 800;

/**
 * Changes are lost: listeners that notice hold departures back for a lease, in case somebody is only about to register again.
 * The fault is not over before that is.
 */
async function level(healed: Scene["healed"], pause: Scene["pause"]): Promise<void> {
  await healed(REDIS_BOUND_MS);
  await pause(LEASE_BOUND_MS);
  await healed(PROMPT_BOUND_MS);
}

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
  async run({ store, random, signal, healed, note, pause }) {
    const [lost, away] = [random.int(LOST_MS_MIN, LOST_MS_MAX), random.int(AWAY_MS_MIN, AWAY_MS_MAX)];
    note(`${lost} ms lost, away for ${away} ms`);
    await store.restartFromSnapshot(lost, away, signal);
    await level(healed, pause);
  },
};

/** The counts are incomplete until the last node has sent its full state: a user who leaves one node is reported offline. */
const restartEmpty: Fault = {
  name: "restart Redis without its data",
  async run({ store, random, signal, healed, excuse, note, pause }) {
    const away = random.int(AWAY_MS_MIN, AWAY_MS_MAX);
    note(`away for ${away} ms`);
    excuse("everybody");
    await store.restartEmpty(away, signal);
    await level(healed, pause);
  },
};

const flush: Fault = {
  name: "FLUSHALL",
  async run({ store, healed, excuse, pause }) {
    excuse("everybody");
    await store.ask((redis) => redis.flushall());
    await level(healed, pause);
  },
};

/** Listeners miss what they have not read yet, and what is trimmed while they are away. */
const trim: Fault = {
  name: "trim the changes",
  async run({ store, fleet, settings, random, healed, note, pause }) {
    const kept = random.int(0, 2);
    note(`${kept} kept`);
    const trimmed = () =>
      store.ask(async (redis) => {
        for (let shard = 0; shard < settings.shards; shard++)
          await redis.xtrim(keysOf(PREFIX, shard, settings.shards).changes, "MAXLEN", kept);
      });
    const deaf = random.pick(fleet.nodes);
    deaf.gate.cut();
    await trimmed();
    await pause(random.int(0, 500));
    await trimmed();
    await level(healed, pause);
  },
};

/** What an eviction policy, or a hand, does to one key of one shard. */
const evict: Fault = {
  name: "evict one key",
  async run({ store, settings, random, healed, excuse, note, pause }) {
    const keys = keysOf(PREFIX, random.int(0, settings.shards - 1), settings.shards);
    const key = random.pick(keys.list);
    note(key);
    excuse("everybody");
    await store.ask((redis) => redis.unlink(key));
    await level(healed, pause);
  },
};

const promote: Fault = {
  name: "promote a replica",
  async run({ store, fleet, random, signal, healed, note, pause }) {
    const lost = random.int(LOST_MS_MIN, LOST_MS_MAX);
    note(`${lost} ms of writes lost`);
    await store.promote(lost, signal);
    for (const { gate } of fleet.members) gate.cut();
    await level(healed, pause);
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

export const STORE_FAULTS: readonly Fault[] = [restart, restartFromSnapshot, restartEmpty, flush, trim, evict, promote, scriptFlush, stall]; // prettier-ignore

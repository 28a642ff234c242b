/** Faults of the processes: killed, stopped, restarted, or distrusted by the projector. */
import { keysOf } from "../../../src/core/keys.ts";
import { until } from "../../../rig/pace.ts";
import type { Fault, Scene } from "../scene.ts";
import { LEASE_BOUND_MS, PREFIX, PROMPT_BOUND_MS, REDIS_BOUND_MS, TTL_MS } from "../settings.ts";

const SETTLE_TIMEOUT_MS = 10_000;
const FLOOD_SOCKETS_MIN = 200;
const FLOOD_SOCKETS_MAX = 400;
/** A seq that no record of a run comes near. */
const FORGED_SEQ = 1_000_000;

/** Clients of the killed node reconnect elsewhere long before its lease expires, so no user is reported offline. */
const killNode: Fault = {
  name: "kill -9 a node",
  async run({ fleet, random, signal, healed, note }) {
    const node = random.pick(fleet.nodes);
    note(node.name);
    await fleet.kill(node);
    await healed(LEASE_BOUND_MS);
    await fleet.start(node, signal);
    await healed(PROMPT_BOUND_MS);
  },
};

/** Its clients notice nothing, and presence must say that they went: those who are only there are excused. */
const stopNode: Fault = {
  name: "stop a node beyond its lease",
  async run({ fleet, random, healed, excuse, note, pause }) {
    const node = random.pick(fleet.nodes);
    note(node.name);
    excuse(node);
    fleet.stop(node);
    await healed(LEASE_BOUND_MS);
    await pause(random.int(0, 2_000));
    fleet.wake(node);
    await healed(REDIS_BOUND_MS);
  },
};

const killProjector: Fault = {
  name: "kill -9 a projector",
  async run({ fleet, random, signal, healed, note, pause }) {
    const projector = random.pick(fleet.projectors);
    note(projector.name);
    await fleet.kill(projector);
    await healed(PROMPT_BOUND_MS);
    await pause(random.int(0, 1_000));
    await fleet.start(projector, signal);
    await healed(PROMPT_BOUND_MS);
  },
};

/** One node after the other, as a deploy does it; the next only goes when the clients of the last are elsewhere. */
const rollingRestart: Fault = {
  name: "rolling restart",
  async run({ fleet, crowd, signal, healed }) {
    for (const node of fleet.nodes) {
      await fleet.drain(node);
      await fleet.start(node, signal);
      await until(() => crowd.isSettled, { timeout: SETTLE_TIMEOUT_MS, signal });
    }
    await healed(PROMPT_BOUND_MS);
  },
};

/** A record out of order under a node's name: the projector fences the node, which has to register again. */
const fence: Fault = {
  name: "forge a record of a node",
  async run({ store, settings, random, signal, healed, note }) {
    const keys = keysOf(PREFIX, 0, settings.shards);
    let id = "";
    await store.ask(async (redis) => {
      // `<slot>:<process id>`
      const live = await redis.zrangebyscore(keys.processes, 1, "+inf");
      id = random.pick(live).replace(/^\d+:/, "");
      note(id);
      const record = ["process", id, "seq", FORGED_SEQ, "ttl", TTL_MS, "sockets", 0];
      await redis.xadd(keys.records, "*", ...record);
      const isBelieved = async () => (await redis.hget(keys.states, id))?.startsWith("live") ?? false;
      if (!(await until(async () => !(await isBelieved()), { timeout: SETTLE_TIMEOUT_MS, signal })))
        throw new Error(`${id} is believed although a record of it does not add up`);
    });
    await healed(LEASE_BOUND_MS);
    // Until it has registered again, what its sockets do is lost.
    await store.ask(async (redis) => {
      const isFenced = async () => (await redis.hget(keys.states, id))?.startsWith("fenced") ?? false;
      if (!(await until(async () => !(await isFenced()), { timeout: LEASE_BOUND_MS, signal })))
        throw new Error(`${id} is fenced, and has not registered again within ${LEASE_BOUND_MS} ms`);
    });
  },
};

/** Hundreds of tabs of one user, who then drops half of them, and closes all. */
const flood: Fault = {
  name: "flood one user",
  async run({ crowd, random, signal, healed, note }: Scene) {
    const count = random.int(FLOOD_SOCKETS_MIN, FLOOD_SOCKETS_MAX);
    note(`${count} sockets`);
    const tabs = Array.from({ length: count }, () => crowd.add("flooded"));
    try {
      await crowd.open(tabs, signal);
      await until(() => tabs.every((tab) => tab.isConnected), { timeout: SETTLE_TIMEOUT_MS, signal });
      await healed(PROMPT_BOUND_MS);
      for (const tab of tabs) if (random.chance(0.5)) tab.drop();
      await healed(PROMPT_BOUND_MS);
    } finally {
      crowd.remove(new Set(tabs));
    }
    await healed(PROMPT_BOUND_MS);
  },
};

export const PROCESS_FAULTS: readonly Fault[] = [killNode, stopNode, killProjector, rollingRestart, fence, flood]; // prettier-ignore

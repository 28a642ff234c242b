/** Faults on the way to Redis. */
import type { Fault } from "../scene.ts";
import { LEASE_BOUND_MS, REDIS_BOUND_MS, SILENCE_BOUND_MS, TTL_MS } from "../settings.ts";

const CUTS_MAX = 4;
const CUT_PAUSE_MS_MAX = 700;
const HALF_OPEN_MS_MIN = 500;
const HALF_OPEN_MS_MAX = 4_000;
const LATENCY_MS_MIN = 20;
const LATENCY_MS_MAX = 300;
const LATENCY_FOR_MS = 4_000;

/** All connections end, once or a few times in a row. */
function cutting(name: string, reset: boolean): Fault {
  return {
    name,
    async run({ fleet, random, healed, note, pause }) {
      const times = random.int(1, CUTS_MAX);
      note(`${times} times`);
      for (let i = 0; i < times; i++) {
        if (i > 0) await pause(random.int(0, CUT_PAUSE_MS_MAX));
        for (const { gate } of fleet.members) gate.cut({ reset });
      }
      await healed(REDIS_BOUND_MS);
    },
  };
}

/** No node can renew its lease, and they reconnect one by one: the first may reap the others. */
const halfOpen: Fault = {
  name: "half-open connections of all",
  async run({ fleet, random, healed, excuse, note, pause }) {
    const ms = random.int(HALF_OPEN_MS_MIN, HALF_OPEN_MS_MAX);
    note(`${ms} ms`);
    excuse("everybody");
    for (const { gate } of fleet.members) gate.swallow = true;
    try {
      await pause(ms);
    } finally {
      for (const { gate } of fleet.members) gate.swallow = false;
    }
    await healed(SILENCE_BOUND_MS);
  },
};

/** The node serves its clients but cannot append: its lease expires, and users who are only there are excused. */
const partition: Fault = {
  name: "half-open connections of a node",
  async run({ fleet, random, healed, excuse, note, pause }) {
    const node = random.pick(fleet.nodes);
    const ms = TTL_MS + random.int(HALF_OPEN_MS_MIN, HALF_OPEN_MS_MAX);
    note(`${node.name} for ${ms} ms`);
    excuse(node);
    node.gate.swallow = true;
    try {
      await pause(ms);
    } finally {
      node.gate.swallow = false;
    }
    await healed(SILENCE_BOUND_MS);
  },
};

const latency: Fault = {
  name: "latency",
  async run({ fleet, random, healed, note, pause }) {
    note("20 to 300 ms each way");
    for (const { gate } of fleet.members) gate.delay = random.int(LATENCY_MS_MIN, LATENCY_MS_MAX);
    try {
      await pause(LATENCY_FOR_MS);
    } finally {
      for (const { gate } of fleet.members) gate.delay = 0;
    }
    await healed(LEASE_BOUND_MS);
  },
};

export const NETWORK_FAULTS: readonly Fault[] = [cutting("cut all connections", false), cutting("reset all connections", true), halfOpen, partition, latency]; // prettier-ignore

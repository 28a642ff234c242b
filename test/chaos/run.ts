/**
 * One run of chaos: opens a world, injects one fault after another while users come and go, and logs what presence
 * reported meanwhile. The seed repeats the faults, their order and their targets, but not the exact times.
 */
import { until } from "../../rig/pace.ts";
import { Random } from "../../rig/random.ts";
import { faultNamed, FAULTS } from "./faults.ts";
import { healing } from "./healing.ts";
import { Judge, type Stage, stageOf, WAIT_MS } from "./judge.ts";
import { Ledger, type Row } from "./ledger.ts";
import type { NodeSettings } from "./messages.ts";
import type { Scene } from "./scene.ts";
import { scheduleOf } from "./schedule.ts";
import { GRACE_MS, PREFIX, PROMPT_BOUND_MS, REDIS_BOUND_MS, TTL_MS } from "./settings.ts";
import { pause } from "../../rig/pace.ts";
import { openWorld } from "./world.ts";

/** Between two faults: calm enough to see whose `offline` is whose, ms. */
const CALM_MS = 400;
const SETTLE_TIMEOUT_MS = 15_000;
const CALM = "between faults";

export interface ChaosOptions {
  readonly seed: string;
  /** No fault begins after this long, ms. */
  readonly duration: number;
  /** At most so many. */
  readonly faults?: number | undefined;
  /** Only these. */
  readonly only?: readonly string[] | undefined;
  readonly users: number;
  /** Default: the seed decides. */
  readonly shards?: number | undefined;
  readonly signal: AbortSignal;
  /** One line for each thing that happens; `quiet` ones are only worth reading after a failure. */
  readonly onEvent: (text: string, quiet: boolean) => void;
}

export interface Outcome {
  readonly rows: readonly Row[];
  /** What must not have happened; empty: all is well. */
  readonly problems: readonly string[];
  readonly about: string;
}

/** What a run with this seed looks like, apart from its faults. */
export function settingsOf(random: Random): Omit<NodeSettings, "redis"> {
  const cast = random.fork("cast");
  return {
    prefix: PREFIX,
    ttl: TTL_MS,
    grace: GRACE_MS,
    shards: cast.pick([1, 1, 3]),
    project: cast.chance(0.6),
  };
}

/** Rejects with the signal's reason when that fires, and when a part of the world cannot be started or ended. */
export async function runChaos(options: ChaosOptions): Promise<Outcome> {
  const { seed, duration, users, onEvent } = options;
  const random = new Random(seed);
  const drawn = settingsOf(random);
  const settings = { ...drawn, shards: options.shards ?? drawn.shards };
  const failed = new AbortController();
  const signal = AbortSignal.any([options.signal, failed.signal]);
  const ledger = new Ledger();
  const problems: string[] = [];
  let stage: Stage = stageOf("start");
  let judge: Judge | undefined;

  function fail(text: string): void {
    problems.push(text);
    onEvent(`FAILED: ${text}`, false);
  }

  await using world = await openWorld({
    users,
    settings,
    signal,
    onChange: (_, change) => judge?.hear(change, stage),
    onUntrue: fail,
    onNote: (text) => onEvent(text, true),
    onFailure(error) {
      fail(error.message);
      failed.abort(error);
    },
  });
  const { crowd, witness, store, fleet } = world;
  judge = new Judge(crowd, ledger, (text) => fail(`false ${text}`));
  const { onSample, healed } = healing(ledger, () => stage.name, signal, fail);
  witness.onSample = onSample;

  async function play(name: string, draw: Random): Promise<void> {
    stage = stageOf(name);
    const { excuse } = stage;
    ledger.row(name).times++;
    const notes: string[] = [];
    const scene: Scene = {
      fleet,
      crowd,
      store,
      settings,
      random: draw,
      signal,
      pause: (ms) => pause(ms, signal),
      async healed(bound) {
        const ms = await healed(bound);
        notes.push(`healed after ${(ms / 1000).toFixed(2)} s`);
      },
      excuse(whom) {
        if (whom === "everybody") excuse.everybody = true;
        else excuse.nodes.add(whom);
      },
      note: (text) => notes.push(text),
    };
    onEvent(`${name} …`, true);
    await faultNamed(name).run(scene);
    onEvent(`${name}: ${notes.join(", ")}`, false);
    // Late reports still belong to this fault.
    await pause(CALM_MS, signal);
    judge!.judge(Date.now());
    stage = stageOf(CALM);
  }

  const churning = new AbortController();
  const about = `${store.engine}, ${settings.shards} shard(s), nodes ${settings.project ? "project" : "do not project"}, ${crowd.tabs.length} tabs of ${users} users`;
  try {
    onEvent(`started: ${about}`, false);
    await crowd.open([...crowd.tabs], signal);
    await settle("the clients could not all connect");
    await healed(REDIS_BOUND_MS);
    stage = stageOf(CALM);
    const churn = crowd.churn(random.fork("churn"), AbortSignal.any([churning.signal, signal]));

    const began = performance.now();
    const names = options.only ?? FAULTS.map(({ name }) => name);
    let count = 0;
    for (const name of scheduleOf(names, random.fork("schedule"))) {
      if (count >= (options.faults ?? Infinity) || performance.now() - began >= duration) break;
      await play(name, random.fork(`fault ${count++}`));
    }
    churning.abort();
    await churn;
    await settle("the clients could not all connect at the end");
    await pause(WAIT_MS, signal);
    judge.judge(Date.now());
    stage = stageOf("the end, everybody leaves");
    crowd.leave();
    await healed(PROMPT_BOUND_MS);
  } catch (error) {
    // The reason is among the problems already, unless the run was stopped from outside.
    if (!failed.signal.aborted) throw error;
  } finally {
    churning.abort();
    judge.judge(Infinity);
  }
  return { rows: ledger.rows, problems, about };

  async function settle(problem: string): Promise<void> {
    if (!(await until(() => crowd.isSettled, { timeout: SETTLE_TIMEOUT_MS, signal }))) fail(problem);
  }
}

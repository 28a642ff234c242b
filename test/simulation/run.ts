/**
 * Many histories, one seed after the other, a few at a time on one connection: while one waits for Redis, another
 * computes. They share nothing but the server, and each has a prefix of its own, so side by side or alone they are the same.
 */
import { startRedis } from "../../packages/local-redis/src/index.ts";
import { project, subscriber } from "../../src/lua/generated.ts";
import { connect } from "../../src/redis/connect.ts";
import type { Command, PipelinePort } from "../../src/redis/port.ts";
import type { Script } from "../../src/redis/scripts.ts";
import type { Fault, FaultCounts } from "./faults.ts";
import { type Outcome, runHistory } from "./history.ts";
import { SCRIPTS } from "./inspect.ts";
import { nextProject } from "./next-version.ts";
import { type Plan, planOf } from "./plan.ts";

/** How many histories are under way at once: enough to keep two cores busy. */
const AT_ONCE = 12;
const TIMEOUT_MS = 20_000;

export interface Simulator extends AsyncDisposable {
  run(plan: Plan): Promise<Outcome>;
}

/** A Redis for histories. `script` takes the place of the projector's, to see the simulation fail. */
export async function startSimulator(script: Script = project): Promise<Simulator> {
  const server = await startRedis();
  const connection = connect(server.url, { timeout: TIMEOUT_MS, name: "rollcall-simulation" });
  const { port } = connection;
  for (const { text } of [script, nextProject, subscriber, ...SCRIPTS])
    await port.call(["SCRIPT", "LOAD", text]);
  const replaced = (command: Command): Command => {
    if (command[0] === "EVAL") return ["EVAL", script.text, ...command.slice(2)];
    return command[1] === project.sha1 ? ["EVALSHA", script.sha1, ...command.slice(2)] : command;
  };
  const own: PipelinePort = {
    call: (command) => port.call(replaced(command)),
    pipeline: (commands) => port.pipeline(commands.map(replaced)),
  };
  let histories = 0;
  return {
    run: (plan) => runHistory(plan, script === project ? port : own, `simulation-${histories++}`),
    async [Symbol.asyncDispose]() {
      connection.close();
      await server.stop();
    },
  };
}

export interface Summary {
  readonly histories: number;
  readonly events: number;
  readonly calls: number;
  readonly turns: number;
  readonly served: number;
  readonly handled: number;
  readonly gaps: number;
  readonly injected: FaultCounts;
  /** The first that did not hold. */
  readonly failed: Outcome | undefined;
}

export interface RunOptions {
  /** Of the first history; the others follow. */
  readonly seed: number;
  /** How many, at most. */
  readonly histories: number;
  readonly faults: ReadonlySet<Fault>;
  /** As planOf(). */
  readonly subscribed?: number | undefined;
  /** No history begins after this long, ms. */
  readonly within?: number;
  readonly onProgress?: (summary: Summary) => void;
}

export async function simulate(simulator: Simulator, options: RunOptions): Promise<Summary> {
  const { seed, histories, faults, subscribed, within = Infinity, onProgress = () => {} } = options;
  const sum = {
    histories: 0,
    events: 0,
    calls: 0,
    turns: 0,
    served: 0,
    handled: 0,
    gaps: 0,
    injected: new Map<Fault, number>(),
  };
  let failed: Outcome | undefined;
  let next = 0;
  const until = performance.now() + within;
  async function worker(): Promise<void> {
    while (next < histories && failed === undefined && performance.now() < until) {
      const outcome = await simulator.run(planOf(seed + next++, faults, subscribed));
      sum.histories++;
      sum.events += outcome.events;
      sum.calls += outcome.calls;
      sum.turns += outcome.turns;
      sum.served += outcome.served;
      sum.handled += outcome.handled;
      sum.gaps += outcome.gaps;
      for (const [fault, n] of outcome.injected) sum.injected.set(fault, (sum.injected.get(fault) ?? 0) + n);
      if (outcome.violation !== undefined) failed ??= outcome;
      onProgress({ ...sum, failed });
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return { ...sum, failed };
}

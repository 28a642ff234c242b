/** Everything a run consists of, started in order and stopped in the opposite one. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Crowd } from "./crowd.ts";
import { Fleet, type FleetOptions } from "./fleet.ts";
import type { NodeSettings } from "./messages.ts";
import { Store } from "./store.ts";
import { openWitness, type Witness } from "./witness.ts";

export interface World extends AsyncDisposable {
  readonly store: Store;
  readonly fleet: Fleet;
  readonly crowd: Crowd;
  readonly witness: Witness;
}

export interface WorldOptions extends Pick<FleetOptions, "onChange" | "onUntrue" | "onNote" | "onFailure"> {
  readonly users: number;
  readonly settings: Omit<NodeSettings, "redis">;
  readonly signal: AbortSignal;
}

/** Rejects when a part does not start, with the signal's reason when that fires; what was started is stopped by then. */
export async function openWorld({ users, settings, signal, ...hooks }: WorldOptions): Promise<World> {
  const stack = new AsyncDisposableStack();
  try {
    const directory = await mkdtemp(join(tmpdir(), "rollcall-chaos-"));
    stack.defer(() => rm(directory, { recursive: true, force: true }));
    const store = await Store.open(directory);
    stack.defer(() => store.close());
    const target = () => store.port;
    const fleet = await Fleet.open({ settings, target, directory, ...hooks });
    stack.defer(() => fleet.close());
    // All of them have started or failed before the first failure is reported, so that nothing starts afterwards.
    const results = await Promise.allSettled(fleet.members.map((member) => fleet.start(member, signal)));
    const failure = results.find((result) => result.status === "rejected");
    if (failure !== undefined) throw failure.reason;
    const crowd = new Crowd(users, () => fleet.up);
    stack.defer(() => crowd.leave());
    const witness = stack.use(await openWitness({ crowd, fleet }, settings.shards, target));
    return { store, fleet, crowd, witness, [Symbol.asyncDispose]: () => stack.disposeAsync() };
  } catch (error) {
    await stack.disposeAsync();
    throw error;
  }
}

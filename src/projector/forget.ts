/**
 * forget: removes what the projection keeps about one user, in bounded steps while the system runs.
 *
 * Entries of a stream cannot be rewritten. Taking single entries out of `changes` would lose the changes of others in them, and leave a
 * user online for a follower whose cursor lies before an offline that is gone, and none of them would learn of it (INV-11, INV-13). So
 * everything up to the last entry that names the user goes: a cursor in there is a gap, as after any trimming. Of durable subscribers goes
 * what is about the user alone, and a page of a comparison, which then starts over.
 */
import { PresenceError } from "../core/errors.ts";
import type { ShardKeys } from "../core/keys.ts";
import { FOLLOWED_MS } from "../core/limits.ts";
import { shardOf } from "../core/shard.ts";
import { msOf } from "../core/stream-id.ts";
import { forget as script } from "../lua/generated.ts";
import { entriesOf, integer, list, text } from "../redis/decode.ts";
import type { WritePort } from "../redis/port.ts";
import { evaluate } from "../redis/scripts.ts";
import { pause } from "../time/pause.ts";
import type { StepResult } from "./call.ts";

/** What forget() removed. */
export interface Forgotten {
  /** Entries of `changes`: those that name the user, and all before them. */
  readonly changes: number;
  /** Entries of `rejected`. */
  readonly rejected: number;
  /** What durable subscribers had about the user: dead letters, what waited for them, and each that knew the user as present. */
  readonly subscribers: number;
}

/** Most calls for a log that never ends, and most entries found of a user who keeps coming and going. */
const CALLS_MAX = 10_000;
const ROUNDS_MAX = 100;

const ASKED = "the script that forgets";

interface Part {
  readonly word: string;
  readonly id: string;
  readonly removed: number;
}

/** Rejects as a projector's step does, and with USER_PRESENT. */
export async function forgetUser(
  port: WritePort,
  shards: readonly ShardKeys[],
  user: string,
  step: (shard: number) => Promise<StepResult>,
): Promise<Forgotten> {
  async function ask(shard: number, what: string, from: string, name: string): Promise<Part> {
    const reply = await evaluate(port, script, shards[shard]!.list, [what, user, from, name]);
    const [word, id, removed] = list(reply, ASKED, 3);
    const part = { word: text(word, ASKED), id: text(id, ASKED), removed: integer(removed, ASKED) };
    if (part.word !== "present") return part;
    throw new PresenceError(
      "USER_PRESENT",
      "the user is present, or in grace: disconnect their sockets on all servers first, then call forget() again",
    );
  }

  /** Repeats a step in slices. Returns the last part, and how many entries were removed. */
  async function all(shard: number, what: string, start: string, name = ""): Promise<Part> {
    let removed = 0;
    for (let from = start; ;) {
      const part = await ask(shard, what, from, name);
      removed += part.removed;
      if (part.word === "marked") await pause(FOLLOWED_MS, new AbortController().signal);
      else if (part.word === "more") from = part.id;
      else return { ...part, removed };
    }
  }

  const own = shardOf(user, shards.length);
  /** Redis's clock minus ours. */
  let ahead = 0;
  /** Waits until followers had time to read the entry after this one, and have let go of it. */
  async function followed(stream: string, id: string): Promise<void> {
    const reply = await port.call(["XRANGE", stream, `(${id}`, "+", "COUNT", "1"]);
    const [next] = entriesOf(reply, "XRANGE of changes");
    if (next === undefined) return;
    const left = FOLLOWED_MS - (performance.now() + ahead - msOf(next.id));
    // An id far ahead of the clock says nothing: it went back.
    if (left > 0 && left <= 2 * FOLLOWED_MS) await pause(left, new AbortController().signal);
  }

  // What is still in the log names its users too.
  for (const shard of shards.keys()) {
    for (let calls = 0; calls < CALLS_MAX; calls++) {
      const { more, now } = await step(shard);
      if (shard === own) ahead = now - performance.now();
      if (!more) break;
    }
  }
  let changes = 0;
  const { changes: ofAll, moves } = shards[own]!;
  for (const [stream, find, cut] of [
    [ofAll, "find", "cut"],
    [moves, "find-moves", "cut-moves"],
  ] as const) {
    for (let rounds = 0; ; rounds++) {
      const { word, id } = await all(own, find, "+");
      if (word !== "found") break;
      if (rounds === ROUNDS_MAX)
        throw new PresenceError("USER_PRESENT", "the user comes and goes all the time: try again later");
      await followed(stream, id);
      changes += (await all(own, cut, id)).removed;
    }
  }
  // Those that stood before the cut find that out by themselves, and are told of a gap.
  let subscribers = 0;
  const names = await port.call(["ZRANGE", shards[own]!.subscribers, "0", "-1"]);
  for (const name of list(names, "ZRANGE of subscribers"))
    for (const what of ["known", "inbox", "dead"])
      subscribers += (await all(own, what, "-", text(name, "ZRANGE of subscribers"))).removed;
  let rejected = 0;
  for (const shard of shards.keys()) rejected += (await all(shard, "rejected", "-")).removed;
  return { changes, rejected, subscribers };
}

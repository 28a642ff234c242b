/**
 * verify: an operator's audit of the projection, in bounded steps while the system runs.
 *
 * Folding keeps `users` and the totals equal to the per-process counts by construction. What can break that is a hand at
 * the keys, or an engine that lost writes halfway. This says where, and mends it: from the per-process counts, which are
 * what the processes said.
 */
import { PresenceError } from "../core/errors.ts";
import type { ShardKeys } from "../core/keys.ts";
import { VERIFY_EXAMPLES_MAX, VERIFY_LOOKUPS } from "../core/limits.ts";
import { verify as script } from "../lua/generated.ts";
import { integer, text, texts } from "../redis/decode.ts";
import type { Reply, WritePort } from "../redis/port.ts";
import { evaluate } from "../redis/scripts.ts";
import type { resolveVerifyOptions } from "./options.ts";

/** A count that is not what the processes said. */
export interface Difference {
  /** A user id, or `users`, `sockets`, `connections` for a total. */
  readonly name: string;
  readonly of: "user" | "total";
  readonly shard: number;
  /** The count found; null: none. */
  readonly found: number | null;
  readonly expected: number;
}

/** What an audit found. */
export interface VerifyReport {
  /** Users looked at, over all shards; one on several processes is looked at again for each. */
  readonly checked: number;
  /** How many differences there were. */
  readonly differences: number;
  /** The first of them, at most 1,000. */
  readonly examples: readonly Difference[];
  /** Whether they were mended. */
  readonly repaired: boolean;
  /** False: the signal fired first. */
  readonly complete: boolean;
}

interface Part {
  readonly cursor: string;
  readonly checked: number;
  readonly differences: number;
  readonly processes: string[];
  readonly found: [name: string, found: string, expected: string][];
}

const ASKED = "the script that verifies";

/** Throws PresenceError VERSION_MISMATCH for a reply of another version of the script, REPLY_INVALID for any other. */
function parse(reply: Reply): Part {
  if (!Array.isArray(reply) || reply.length < 4) {
    throw new PresenceError(
      "VERSION_MISMATCH",
      "the script that verifies gave a reply of another version: update all processes to one version",
    );
  }
  const [cursor, checked, differences, count, ...rest] = reply;
  const values = texts(rest, ASKED);
  const first = integer(count, ASKED);
  const found: Part["found"] = [];
  for (let i = first; i + 2 < values.length; i += 3) found.push([values[i]!, values[i + 1]!, values[i + 2]!]);
  return {
    cursor: text(cursor, ASKED),
    checked: integer(checked, ASKED),
    differences: integer(differences, ASKED),
    processes: values.slice(0, first),
    found,
  };
}

/** Rejects with PresenceError as a projector's step does. */
export async function verifyShards(
  port: WritePort,
  shards: readonly ShardKeys[],
  { repair, signal }: ReturnType<typeof resolveVerifyOptions>,
): Promise<VerifyReport> {
  let checked = 0;
  let differences = 0;
  const examples: Difference[] = [];

  async function part(shard: number, name: "users" | "process" | "totals", process: string, cursor: string) {
    const keys = shards[shard]!;
    const args = [keys.process(""), name, process, cursor, String(VERIFY_LOOKUPS), repair ? "1" : "0"];
    const result = parse(await evaluate(port, script, keys.list, args));
    if (name !== "totals") checked += result.checked;
    differences += result.differences;
    for (const [subject, found, expected] of result.found) {
      if (examples.length === VERIFY_EXAMPLES_MAX) break;
      examples.push({
        name: subject,
        of: name === "totals" ? "total" : "user",
        shard,
        found: found === "" ? null : Number(found),
        expected: Number(expected),
      });
    }
    return result;
  }

  async function pages(shard: number, name: "users" | "process", process: string): Promise<void> {
    let cursor = "0";
    do {
      if (signal?.aborted === true) return;
      ({ cursor } = await part(shard, name, process, cursor));
    } while (cursor !== "0");
  }

  for (const shard of shards.keys()) {
    if (signal?.aborted === true) break;
    // The totals last: mending users changes them.
    await pages(shard, "users", "");
    const { processes } = parse(
      await evaluate(port, script, shards[shard]!.list, [
        shards[shard]!.process(""),
        "totals",
        "",
        "0",
        "1",
        "0",
      ]),
    );
    for (const process of processes) await pages(shard, "process", process);
    await part(shard, "totals", "", "0");
  }
  return {
    checked,
    differences,
    examples,
    repaired: repair && differences > 0,
    complete: signal?.aborted !== true,
  };
}

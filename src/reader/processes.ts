/** The Socket.IO processes, from their hashes and their leases. */
import { PresenceError } from "../core/errors.ts";
import { PROCESSES_READ_MAX } from "../core/limits.ts";
import { PROCESS_STATES, type ProcessState } from "../core/process.ts";
import { integerOrNull, pairs, scored, timeOrNull } from "../redis/decode.ts";
import type { ReadCommand, Reply } from "../redis/port.ts";
import type { ShardKeys } from "../core/keys.ts";
import type { ProcessPresence } from "./answers/processes.ts";
import type { ReaderContext } from "./context.ts";
import type { Reader } from "./types.ts";

/** The leases of a shard, the earliest deadline first. */
export function leasesCommand(keys: ShardKeys): ReadCommand {
  return ["ZRANGE", keys.processes, "0", String(PROCESSES_READ_MAX - 1), "WITHSCORES"];
}

/** The name of leasesCommand(), for messages. */
export const LEASES_ASKED = "ZRANGE of leases";
const PROCESS_ASKED = "HGETALL of a process";

/** Reads the leases of each shard, then the hashes of their processes. */
export function processesOver(context: ReaderContext): Pick<Reader, "processes"> {
  const { keys, askAll, askPlain, combine } = context;
  return {
    async processes() {
      const answers = await askAll((own) => [leasesCommand(own)]);
      const found = new Map<string, ProcessPresence>();
      for (const [shard, { replies }] of answers.entries()) {
        const leases = scored(replies[0], LEASES_ASKED);
        if (leases.length === 0) continue;
        const hashes = await askPlain(leases.map(([id]) => ["HGETALL", keys[shard]!.process(id)]));
        for (const [i, [id, deadline]] of leases.entries())
          found.set(id, mergeProcess(found.get(id), processOf(id, deadline, hashes[i])));
      }
      return {
        processes: [...found.values()].sort((a, b) => (a.id < b.id ? -1 : 1)),
        asOf: combine(answers.map(({ asOf }) => asOf)),
      };
    },
  };
}

/** `deadline` of the lease, ms; 0: the process has ended and its users are being removed. */
function processOf(id: string, deadline: number, hash: Reply | undefined): ProcessPresence {
  const fields = new Map(hash === null ? [] : pairs(hash, PROCESS_ASKED));
  const text = (name: string) => fields.get(name) ?? null;
  const whole = (name: string) => integerOrNull(text(name), PROCESS_ASKED);
  const date = (ms: number | null) => (ms === null ? null : new Date(ms));
  return {
    id,
    state: stateOf(text("state")),
    sockets: whole("sockets") ?? 0,
    connections: whole("connections") ?? 0,
    leaseUntil: deadline > 0 ? date(timeOrNull(deadline, LEASES_ASKED)) : null,
    startedAt: date(timeOrNull(text("started"), PROCESS_ASKED)),
    host: text("host"),
    pid: whole("pid"),
    version: text("version"),
  };
}

/** A hash without a state is an expired tombstone. */
function stateOf(text: string | null): ProcessState {
  if (text === null) return "ended";
  const known = PROCESS_STATES.find((state) => state === text);
  if (known !== undefined) return known;
  throw new PresenceError(
    "VERSION_MISMATCH",
    "a process has a state that this version does not know: a newer version wrote it, so update this one",
  );
}

/** A process is registered in every shard: its counts are summed, and it has the worst state of its parts. */
function mergeProcess(known: ProcessPresence | undefined, part: ProcessPresence): ProcessPresence {
  if (known === undefined) return part;
  const worst = Math.max(...[known, part].map(({ state }) => PROCESS_STATES.indexOf(state)));
  return {
    ...known,
    state: PROCESS_STATES[worst]!,
    sockets: known.sockets + part.sockets,
    connections: known.connections + part.connections,
  };
}

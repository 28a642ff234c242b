/** The Socket.IO processes, from their leases, `states` and `about`. */
import { PROCESSES_PAGE } from "../core/limits.ts";
import { PROCESS_STATES } from "../core/process.ts";
import { fieldsOf, scored, timeOrNull } from "../redis/decode.ts";
import type { ProcessPresence } from "./answers/processes.ts";
import type { ReaderContext } from "./context.ts";
import { LEASES_ASKED, leasesCommand, processIn } from "./leases.ts";
import { readAbout, readState } from "./states.ts";
import type { Reader } from "./types.ts";

/** Reads the leases of each shard, then the states of their processes, in pages. */
export function processesOver(context: ReaderContext): Pick<Reader, "processes"> {
  const { keys, askAll, askPlain, combine } = context;

  async function partsOf(
    shard: number,
    leases: readonly (readonly [string, number])[],
  ): Promise<ProcessPresence[]> {
    const ids = leases.map(([member]) => processIn(member));
    const [states, about] = await askPlain([
      ["HMGET", keys[shard]!.states, ...ids],
      ["HMGET", keys[shard]!.about, ...ids],
    ]);
    const lines = fieldsOf(states, "HMGET of states", ids.length);
    const texts = fieldsOf(about, "HMGET of about", ids.length);
    return leases.map(([, deadline], i) => processOf(ids[i]!, deadline, lines[i] ?? null, texts[i] ?? null));
  }

  return {
    async processes() {
      const answers = await askAll((own) => [leasesCommand(own)]);
      const found = new Map<string, ProcessPresence>();
      for (const [shard, { replies }] of answers.entries()) {
        const leases = scored(replies[0], LEASES_ASKED);
        for (let i = 0; i < leases.length; i += PROCESSES_PAGE) {
          const parts = await partsOf(shard, leases.slice(i, i + PROCESSES_PAGE));
          for (const part of parts) found.set(part.id, mergeProcess(found.get(part.id), part));
        }
      }
      return {
        processes: [...found.values()].sort((a, b) => (a.id < b.id ? -1 : 1)),
        asOf: combine(answers.map(({ asOf }) => asOf)),
      };
    },
  };
}

/** `deadline` of the lease, ms; 0: the process has ended and its users are being removed. */
function processOf(id: string, deadline: number, line: string | null, json: string | null): ProcessPresence {
  // Gone between two requests: the projection was rebuilt.
  const { state = "ended", sockets = 0, connections = 0 } = readState(line) ?? {};
  const { host, pid, version, started, reason } = readAbout(json);
  const date = (ms: number | null) => (ms === null ? null : new Date(ms));
  return {
    id,
    state,
    sockets,
    connections,
    leaseUntil: deadline > 0 ? date(timeOrNull(deadline, LEASES_ASKED)) : null,
    startedAt: date(started),
    host,
    pid,
    version,
    ...(reason !== null && { reason }),
  };
}

/** A process is registered in every shard: its counts are summed, and it has the worst state of its parts. */
function mergeProcess(known: ProcessPresence | undefined, part: ProcessPresence): ProcessPresence {
  if (known === undefined) return part;
  const worst = Math.max(...[known, part].map(({ state }) => PROCESS_STATES.indexOf(state)));
  return {
    ...known,
    ...(part.reason !== undefined && { reason: part.reason }),
    state: PROCESS_STATES[worst]!,
    sockets: known.sockets + part.sockets,
    connections: known.connections + part.connections,
  };
}

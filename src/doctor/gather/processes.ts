/** The Socket.IO processes, and which protocol each speaks. */
import { keysOf } from "../../core/keys.ts";
import type { ProcessPresence } from "../../reader/answers/processes.ts";
import type { Ask } from "../ask.ts";
import type { ProcessFacts } from "../facts.ts";

/** The protocol of each process, from `about`, in pages: a process that is in several shards says the same in all. */
const PAGE = 500;

export async function processFacts(
  ask: Ask,
  prefix: string,
  shards: number,
  processes: readonly ProcessPresence[],
  now: number,
): Promise<ProcessFacts[]> {
  const { about } = keysOf(prefix, 0, shards);
  const found: ProcessFacts[] = [];
  for (let i = 0; i < processes.length; i += PAGE) {
    const page = processes.slice(i, i + PAGE);
    const [reply] = await ask([["HMGET", about, ...page.map(({ id }) => id)]]);
    const texts = Array.isArray(reply) ? (reply as readonly unknown[]) : [];
    for (const [at, { id, state, sockets, leaseUntil, version, reason }] of page.entries()) {
      const left = leaseUntil === null ? null : leaseUntil.getTime() - now;
      found.push({ id, state, sockets, left, version, reason, protocol: protocolIn(texts[at]) });
    }
  }
  return found;
}

function protocolIn(json: unknown): string | null {
  try {
    const { protocol } = JSON.parse(String(json)) as { protocol?: unknown };
    return typeof protocol === "string" && /^\d{1,9}$/.test(protocol) ? protocol : null;
  } catch {
    return null;
  }
}

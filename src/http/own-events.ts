/**
 * The stream of changes for a holder who may see some users only. It looks for news at its own pace, not when others' changes wake it, and
 * each sign of life has a newly sealed position, whether it moved or not: what it sends, and when, depends on its own users' changes and
 * on whether Redis answers.
 */
import { EVENT_BYTES_MAX } from "../core/limits.ts";
import { pause } from "../time/pause.ts";
import { aliveUntil, type ChangesParts, outcomeOf } from "./events.ts";
import { frame } from "./frames.ts";
import type { Restricted } from "./holder.ts";
import type { Own } from "./own.ts";
import { Voice } from "./staleness.ts";
import type { Where } from "./where.ts";

/** Whose stream it is, and of what. */
export interface OwnParts extends Omit<ChangesParts, "wait"> {
  readonly own: Own;
  readonly holder: Restricted;
  readonly where: Where;
}

export async function* ownEvents(parts: OwnParts, ended: AbortSignal): AsyncGenerator<Uint8Array, void> {
  const { read, first, group, freshness, pace, own, holder, where } = parts;
  const voice = new Voice(freshness, pace.heartbeat, { isBlind: true });
  const sealed = (cursor: string) => own.sealChanges(holder, where, cursor);
  let cursor = parts.after;
  let hasBegun = false;
  let slow: number | undefined;
  for (let reading = first; !ended.aborted; reading = outcomeOf(read(cursor, slow))) {
    const outcome = yield* aliveUntil(reading, voice, ended);
    if (outcome === undefined) return;
    let more = false;
    const said = "answer" in outcome ? voice.here() : voice.away();
    if ("answer" in outcome) {
      freshness.answered();
      const { batches, next, gap, epoch } = outcome.answer;
      more = outcome.answer.more;
      cursor = next;
      const began = performance.now();
      if (said !== undefined) yield said;
      if (gap) {
        const id = await sealed(next);
        yield frame({ event: "gap", id, data: { next: id } });
        voice.said();
      }
      for (const batch of batches) {
        const mine = group.changes(batch);
        if (mine.length === 0) continue;
        const id = await sealed(batch.next);
        const bytes = frame({ event: "changes", id, data: { changes: await own.masked(mine), next: id } });
        yield bytes.length > EVENT_BYTES_MAX ? frame({ event: "gap", id, data: { next: id } }) : bytes;
        voice.said();
      }
      slow = performance.now() - began > pace.slow ? epoch : undefined;
      if (!hasBegun || voice.isQuiet) {
        yield frame({ id: await sealed(next) });
        hasBegun = true;
        voice.said();
      }
    } else {
      if (said !== undefined) yield said;
      if (voice.isQuiet) {
        yield frame({});
        voice.said();
      }
    }
    // Who reconnects again and again with an old position reads no more by it than by polling.
    if (more && own.mayReadOn(holder)) continue;
    if (pace.isSpent()) return;
    await pause(pace.every, ended);
  }
}

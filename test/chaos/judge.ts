/** Which users were reported offline, and whether that was right: judged once it is known whether they came back in time. */
import type { Crowd } from "./crowd.ts";
import type { Member } from "./fleet.ts";
import { isFair, type Told } from "./history.ts";
import type { Ledger } from "./ledger.ts";
import { GRACE_MS, SLACK_MS } from "./settings.ts";

/** Of the fault under way: whom it may make absent though they are not. */
export interface Excuse {
  /** Users with a socket on one of these. */
  readonly nodes: Set<Member>;
  everybody: boolean;
}

export interface Stage {
  /** The name of the fault, or what else is going on. */
  readonly name: string;
  /** When it began, ms since 1970. */
  readonly since: number;
  readonly excuse: Excuse;
}

export function stageOf(name: string): Stage {
  return { name, since: Date.now(), excuse: { nodes: new Set(), everybody: false } };
}

/** From then on it is known whether a user came back within the grace, ms after the news. */
export const WAIT_MS = GRACE_MS + SLACK_MS;

interface Case {
  readonly told: Told;
  readonly stage: Stage;
  readonly excused: boolean;
}

export class Judge {
  readonly #crowd: Crowd;
  readonly #ledger: Ledger;
  readonly #onFalse: (text: string) => void;
  /** Ids of entries of `changes` come from every node; each change is judged once. */
  readonly #seen = new Set<string>();
  #waiting: Case[] = [];

  constructor(crowd: Crowd, ledger: Ledger, onFalse: (text: string) => void) {
    this.#crowd = crowd;
    this.#ledger = ledger;
    this.#onFalse = onFalse;
  }

  hear(told: Told, stage: Stage): void {
    const key = `${told.id} ${told.type} ${told.user}`;
    if (told.type !== "offline" || this.#seen.has(key)) return;
    this.#seen.add(key);
    const { everybody, nodes } = stage.excuse;
    // Asked now: a moment later the user may have left the node for another one.
    const excused = everybody || [...nodes].some((node) => this.#crowd.usersOn(node).has(told.user));
    this.#waiting.push({ told, stage, excused });
  }

  /** Judges what has waited long enough. */
  judge(now: number): void {
    const due = this.#waiting.filter(({ told }) => now - told.at >= WAIT_MS);
    this.#waiting = this.#waiting.filter(({ told }) => now - told.at < WAIT_MS);
    for (const { told, stage, excused } of due) {
      const absences = this.#crowd.historyOf(told.user)?.absences ?? [];
      const late = Math.max(0, told.at - stage.since) + WAIT_MS;
      if (isFair(told, absences, { grace: GRACE_MS, slack: SLACK_MS, late, now })) continue;
      const row = this.#ledger.row(stage.name);
      if (excused) row.excused++;
      else row.false++;
      const own = absences
        .slice(-3)
        .map(
          ({ from, to, goodbye }) => `${from - told.at} to ${to - told.at} ms${goodbye ? ", goodbye" : ""}`,
        );
      const text = `offline of ${told.user} (${told.cause}, ${told.id}) during "${stage.name}", ${told.at - stage.since} ms after it began; away by its own record, seen from then: ${own.join("; ")}`;
      if (!excused) this.#onFalse(text);
    }
  }
}

/** Sessions of users, one each, for both sides to count. */
import { Random } from "../../rig/random.ts";

export interface Session {
  readonly user: string;
  readonly from: number;
  readonly to: number;
}

const STAY_MS = 30_000;

/** `rate` per second at random times, `stay` ms long; Infinity: all connect at once and all disconnect at once. */
export function sessionsOf(count: number, rate: number, stay = STAY_MS): Session[] {
  const random = new Random(`${count}/${rate}`);
  let at = 1_000;
  return Array.from({ length: count }, (_, i) => {
    at += rate === Infinity ? 0 : (-Math.log(1 - random.next()) * 1_000) / rate;
    return { user: `user-${i}`, from: at, to: at + stay };
  });
}

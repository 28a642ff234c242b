/** What is shown, in words: causes, numbers, times, and ids that may be anything. */
import type { ChangeCause } from "../core/change.ts";

/** Why a user came or went, for people. */
export const CAUSES: Readonly<Record<ChangeCause, string>> = {
  connect: "connected",
  disconnect: "connection lost",
  leave: "left",
  grace: "grace over",
  bye: "server closed",
  reap: "lease ended (crash)",
  replace: "server registered again",
  repair: "removed by verify",
  resync: "found by comparing",
};

const WHOLE = new Intl.NumberFormat("en-US");
export const number = (value: number): string => WHOLE.format(value);

export const plural = (count: number, one: string, many = `${one}s`): string =>
  `${number(count)} ${count === 1 ? one : many}`;

/** `a, b and c`. */
export const listed = (words: readonly string[], last = "and"): string =>
  words.length < 2 ? words.join() : `${words.slice(0, -1).join(", ")} ${last} ${words.at(-1)}`;

const TIME = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const DAY = new Intl.DateTimeFormat("en-GB", { weekday: "short", day: "numeric", month: "short" });
const DAY_TIME = new Intl.DateTimeFormat("en-GB", {
  day: "numeric",
  month: "short",
  hour: "2-digit",
  minute: "2-digit",
});
export const clock = (at: number): string => TIME.format(at);
export const day = (at: number): string => DAY.format(at);
export const dayTime = (at: number): string => DAY_TIME.format(at);

/** About how long, ms: `42 s`, `3 min`, `5 h 20 min`, `9 d`. */
export function span(ms: number): string {
  const s = Math.max(0, Math.round(ms / 1000));
  if (s < 60) return `${s} s`;
  const min = Math.floor(s / 60);
  if (min < 10) return s % 60 === 0 ? `${min} min` : `${min} min ${s % 60} s`;
  if (min < 60) return `${min} min`;
  const h = Math.floor(min / 60);
  if (h < 48) return min % 60 === 0 ? `${h} h` : `${h} h ${min % 60} min`;
  return `${Math.floor(h / 24)} d`;
}

/** Characters that draw nothing, or change what is drawn beside them: control, format and bidirectional ones, and unusual spaces. */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Co}\p{Cn}\u00a0\u115f\u1160\u2000-\u200a\u3164\uffa0]/gu;
/** Joins parts of one emoji or letter: harmless, and in many names. */
const JOINER = "\u200d";

/** An id with what cannot be seen written out, so that two ids that differ look different. */
export function visible(id: string): string {
  return id.replaceAll(UNSEEN, (character) => {
    if (character === JOINER) return character;
    const code = character.codePointAt(0)!;
    if (code < 0x20) return String.fromCodePoint(0x2400 + code);
    if (code === 0x7f) return "\u2421";
    return `\u27e8U+${code.toString(16).toUpperCase().padStart(4, "0")}\u27e9`;
  });
}

/** The namespaces and rooms of a history: few, so that users meet in them, and some with names that trip up careless code. */
import { at } from "../../rig/random.ts";

/** The scopes that every socket of a namespace can join; the first is the namespace itself. */
const SCOPES = [
  ["/", "/,a", "/,b,c", "/,", "/,__proto__"],
  ["/chat", "/chat,a", "/chat,news"],
] as const;

/** What a process tracks, as patterns. */
export const TRACKS: readonly string[] = ["*/", "/,*", "*/,a", "*/chat,news", "/chat", "/chat,*"];

/** The scopes whose changes are told: by all processes, and by every second one. */
const EVERYWHERE = ["/", "/,a", "/chat,news"];
export const TELLS: readonly ReadonlySet<string>[] = [
  new Set(EVERYWHERE),
  new Set([...EVERYWHERE, "/,b,c", "/,r7"]),
];

/** Which namespace a socket connects to; most are in the main one. */
export function namespaceOf(fraction: number): string {
  return SCOPES[fraction < 0.7 ? 0 : 1][0];
}

export function roomOf(namespace: string, fraction: number): string {
  const [, ...rooms] = SCOPES.find(([own]) => own === namespace)!;
  return at(rooms, fraction);
}

/** So many that they fill a record and more: a scope that is named counts as three operations. */
export function manyRooms(namespace: string, fraction: number): string[] {
  return Array.from({ length: 60 + Math.floor(fraction * 360) }, (_, i) => `${namespace},r${i}`);
}

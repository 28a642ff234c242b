/** The part of verify that counts scopes: their hashes, what processes say of their memberships, and who lingers. */
import type { Ask, Part } from "./verify.ts";

/** How many scopes, or slots, are named in one call; a name has up to 512 bytes. */
const NAMED = 500;

/** What a process's own hash says. */
interface Own {
  /** Its sum, as it stands there. null: none that can be read. */
  readonly declared: number | null;
  /** Its fields, added up. */
  readonly sum: number;
}

/** One count of the scopes of one shard. */
export interface ScopesCount {
  readonly differences: Part["differences"];
  /** Slot → memberships in the hashes of scopes. */
  readonly sums: ReadonlyMap<string, number>;
  /** Slot → what its process says. */
  readonly own: ReadonlyMap<string, Own>;
  /** Scopes that were too large to be compared at once: name → users and sockets. */
  readonly large: ReadonlyMap<string, readonly [users: number, sockets: number]>;
}

/** `slots`: of all registered processes; `somebodys`: what the script needs to know which slots are in use. */
export async function countScopes(
  ask: Ask,
  slots: readonly string[],
  somebodys: readonly string[],
  signal: AbortSignal | undefined,
): Promise<ScopesCount> {
  const differences: Part["differences"] = [];
  const sums = new Map<string, number>();
  const own = new Map<string, Own>();
  const large = new Map<string, [users: number, sockets: number]>();

  /** Repeats a step over a list of names, in slices. */
  async function over(what: string, names: readonly string[], more: readonly string[], take: (part: Part) => void) {
    let inner = "0";
    for (let from = 0; from < names.length;) {
      if (signal?.aborted === true) return;
      const part = await ask(what, JSON.stringify([inner, ...names.slice(from, from + NAMED)]), ...more);
      differences.push(...part.differences);
      take(part);
      const [done = "0", next = "0"] = part.at.split(" ");
      from += Number(done);
      inner = next;
    }
  } // prettier-ignore

  async function each(what: string, take: (part: Part) => unknown) {
    let cursor = "0";
    do {
      if (signal?.aborted === true) return;
      const part = await ask(what, cursor);
      differences.push(...part.differences);
      await take(part);
      cursor = part.at;
    } while (cursor !== "0");
  }

  // A scan can return a name twice, which would count its members twice.
  const seen = new Set<string>();
  await each("names", async ({ values }) => {
    const names = values.filter((name) => !seen.has(name));
    for (const name of names) seen.add(name);
    await over("scopes", names, somebodys, ({ values: [count = "0", ...rest] }) => {
      const parts = 3 * Number(count);
      for (let i = 0; i < parts; i += 3) {
        const [users, sockets] = large.get(rest[i]!) ?? [0, 0];
        large.set(rest[i]!, [users + Number(rest[i + 1]), sockets + Number(rest[i + 2])]);
      }
      for (let i = parts; i < rest.length; i += 2)
        sums.set(rest[i]!, (sums.get(rest[i]!) ?? 0) + Number(rest[i + 1]));
    });
  });
  await each("lingering", () => {});
  await each("lingerers", () => {});
  await over("own", slots, [], ({ values }) => {
    for (let i = 0; i < values.length; i += 3) {
      const { declared, sum } = own.get(values[i]!) ?? { declared: null, sum: 0 };
      const text = values[i + 1]!;
      own.set(values[i]!, {
        declared: /^\d+$/.test(text) ? Number(text) : declared,
        sum: sum + Number(values[i + 2]),
      });
    }
  });
  return { differences, sums, own, large };
}

/** What a process says of its memberships that differs from the hashes of scopes; undefined: nothing. */
export function membershipsOf(
  { sums, own }: ScopesCount,
  slot: string,
): { readonly found: number; readonly expected: number } | undefined {
  const expected = sums.get(slot) ?? 0;
  const { declared, sum } = own.get(slot) ?? { declared: null, sum: 0 };
  const found = (declared ?? 0) === expected ? sum : (declared ?? 0);
  return found === expected ? undefined : { found, expected };
}

/** The sum of what all processes say. */
export function membershipsDeclared({ own }: ScopesCount): number {
  return Array.from(own.values(), ({ declared }) => declared ?? 0).reduce((all, n) => all + n, 0);
}

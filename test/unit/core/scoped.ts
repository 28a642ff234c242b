/** What a projector makes of records with scopes, and random histories of sockets in them. For the tests of memberships. */
import fc from "fast-check";
import type { Departure, Journal } from "../../../src/core/journal.ts";
import { LIST_BYTES_MAX, OPERATIONS_MAX, SCOPE_OPERATIONS } from "../../../src/core/limits.ts";
import { LISTS, type RecordEntry, SCOPE_LISTS } from "../../../src/core/record.ts";

/** `expect` takes 10 µs, and a random history has thousands of them. */
export function must(holds: boolean, what: string, ...details: readonly unknown[]): void {
  if (!holds) throw new Error(`${what}: ${JSON.stringify(details)}`);
}

/** Throws unless the record keeps to the bounds of the protocol, as JSON.stringify writes it, and names a scope once a list. */
export function checkBounds(record: RecordEntry): void {
  let operations = 0;
  for (const name of LISTS) operations += record[name]?.length ?? 0;
  for (const name of SCOPE_LISTS) {
    const list = record[name] ?? [];
    must(record[name]?.length !== 0, "an empty list", record);
    for (const [, ...users] of list) {
      must(users.length > 0, "a scope without a user", record);
      operations += users.length + SCOPE_OPERATIONS;
    }
    must(new Set(list.map(([scope]) => scope)).size === list.length, "a scope is named twice", record);
  }
  must(operations <= OPERATIONS_MAX, "too many operations", operations);
  for (const name of [...LISTS, ...SCOPE_LISTS])
    must(Buffer.byteLength(JSON.stringify(record[name] ?? [])) <= LIST_BYTES_MAX, "too many bytes", name);
  must(record.memberships !== undefined, "no check digit", record);
}

/** Sockets by user, in one place and of one process. */
type Counts = Map<string, number>;
type Process = { users: Counts; anonymous: number; scopes: Map<string, Counts>; seq: number };

const sum = (counts: Counts) => [...counts.values()].reduce((a, b) => a + b, 0);

function count(counts: Counts, user: string, change: number): number {
  const n = (counts.get(user) ?? 0) + change;
  if (n < 0) throw new Error(`${user} went negative`);
  if (n === 0) counts.delete(user);
  else counts.set(user, n);
  return n;
}

/** Sockets and graces, in the whole and in scopes, of records folded one by one. A grace lasts until something ends it. */
export class ScopedProjection {
  readonly #processes = new Map<string, Process>();
  readonly #graced = new Set<string>();
  /** By scope. */
  readonly #lingering = new Map<string, Set<string>>();
  readonly #grace: boolean;

  constructor(grace: boolean) {
    this.#grace = grace;
  }

  /** Another process, which has a grace, started it. */
  linger(scope: string, user: string): void {
    this.#graced.add(user);
    this.#lingerers(scope).add(user);
  }

  #lingerers(scope: string): Set<string> {
    const lingerers = this.#lingering.get(scope) ?? new Set();
    this.#lingering.set(scope, lingerers);
    return lingerers;
  }

  #process(id: string): Process {
    const process = this.#processes.get(id) ?? { users: new Map(), anonymous: 0, scopes: new Map(), seq: 0 };
    this.#processes.set(id, process);
    return process;
  }

  fold(record: RecordEntry): void {
    checkBounds(record);
    const process = this.#process(record.process);
    if (record.seq !== ++process.seq) throw new Error(`seq ${record.seq}, not ${process.seq}`);
    process.anonymous = record.anonymous ?? process.anonymous;
    for (const user of record.connect ?? []) {
      count(process.users, user, 1);
      this.#graced.delete(user);
    }
    for (const name of SCOPE_LISTS)
      for (const [marked, ...users] of record[name] ?? []) {
        const scope = marked!.replace(/^\*/, "");
        const counts = process.scopes.get(scope) ?? new Map<string, number>();
        process.scopes.set(scope, counts);
        for (const user of users) {
          count(counts, user, name === "join" ? 1 : -1);
          if (user === "") continue;
          if (name === "join") this.#lingerers(scope).delete(user);
          else if (this.memberships(scope, user) === 0)
            this.#lingerers(scope)[this.#grace && name !== "part" ? "add" : "delete"](user);
        }
      }
    for (const name of ["disconnect", "leave", "close"] as const)
      for (const user of record[name] ?? []) {
        count(process.users, user, -1);
        if (this.sockets(user) > 0) continue;
        if (this.#grace && name !== "leave") this.#graced.add(user);
        else this.#removed(user);
      }
    must(record.sockets === sum(process.users) + process.anonymous, "sockets", record);
    const memberships = [...process.scopes.values()].reduce((n, counts) => n + sum(counts), 0);
    must(record.memberships === memberships, "memberships", record, memberships);
    must(record.bye !== true || record.sockets + memberships === 0, "bye", record);
    for (const id of record.replaces ?? []) this.#ended(id);
    this.#check();
  }

  #ended(id: string): void {
    const process = this.#processes.get(id);
    this.#processes.delete(id);
    for (const user of process?.users.keys() ?? []) if (this.sockets(user) === 0) this.#removed(user);
  }

  #removed(user: string): void {
    this.#graced.delete(user);
    for (const lingerers of this.#lingering.values()) lingerers.delete(user);
  }

  /** Nobody is in a scope who is not in the whole. */
  #check(): void {
    for (const [id, { users, anonymous, scopes }] of this.#processes)
      for (const [scope, counts] of scopes) {
        for (const user of counts.keys()) must(user === "" || users.has(user), "in a scope, not in the whole", id, scope, user);
        must((counts.get("") ?? 0) <= anonymous, "anonymous", id, scope, counts.get(""), anonymous);
      }
    for (const [scope, lingerers] of this.#lingering)
      for (const user of lingerers) must(this.presence(user) !== "absent", "lingers, and is not in the whole", scope, user);
  } // prettier-ignore

  sockets(user: string): number {
    let sockets = 0;
    for (const { users } of this.#processes.values()) sockets += users.get(user) ?? 0;
    return sockets;
  }

  memberships(scope: string, user: string): number {
    let memberships = 0;
    for (const { scopes } of this.#processes.values()) memberships += scopes.get(scope)?.get(user) ?? 0;
    return memberships;
  }

  /** `2`, `grace` or `absent`. */
  presence(user: string): string {
    const sockets = this.sockets(user);
    return sockets > 0 ? String(sockets) : this.#graced.has(user) ? "grace" : "absent";
  }

  presenceIn(scope: string, user: string): string {
    const memberships = this.memberships(scope, user);
    if (memberships > 0) return String(memberships);
    return this.#lingering.get(scope)?.has(user) === true ? "grace" : "absent";
  }
}

export const USERS = ["a", "b", "c", ""] as const;
export const SCOPES = ["/", "/,x", '/chat,"\\\n'] as const;

const user = fc.constantFrom(...USERS);
const scope = fc.constantFrom(...SCOPES);
const how = fc.constantFrom("leave" as const, "disconnect" as const);
const at = fc.nat(1_000);
export const events = fc.oneof(
  { weight: 5, arbitrary: fc.record({ kind: fc.constant("comes" as const), user, scopes: fc.uniqueArray(scope) }) },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant("goes" as const), at, how }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("enters" as const), at, scope, told: fc.boolean() }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("exits" as const), at }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("take" as const) }) },
); // prettier-ignore
export type Event = typeof events extends fc.Arbitrary<infer T> ? T : never;

interface Socket {
  readonly user: string;
  readonly scopes: Set<string>;
}

/** The sockets that are open, and what they tell a journal. */
export class Sockets {
  readonly #open: Socket[] = [];

  of(user: string): number {
    return this.#open.filter((socket) => socket.user === user).length;
  }

  in(scope: string, user: string): number {
    return this.#open.filter((socket) => socket.user === user && socket.scopes.has(scope)).length;
  }

  /** Calls `tell` for each operation, one after another. */
  play(event: Event, tell: (operation: (journal: Journal) => unknown) => void): void {
    if (event.kind === "take") return;
    if (event.kind === "comes") {
      this.#open.push({ user: event.user, scopes: new Set(event.scopes) });
      tell((journal) => journal.connect(event.user));
      for (const one of event.scopes) tell((journal) => journal.join(one, event.user));
      return;
    }
    if (this.#open.length === 0) return;
    const place = event.at % this.#open.length;
    const { user: own, scopes } = this.#open[place]!;
    const part = (one: string, departure: Departure) =>
      tell((journal) => must(journal.part(one, own, departure), "part", one, own));
    if (event.kind === "enters") {
      if (scopes.has(event.scope)) return;
      scopes.add(event.scope);
      tell((journal) => journal.join(event.told ? `*${event.scope}` : event.scope, own));
    } else if (event.kind === "exits") {
      const [first] = scopes;
      if (first === undefined) return;
      scopes.delete(first);
      part(first, "leave");
    } else {
      this.#open.splice(place, 1);
      for (const one of scopes) part(one, event.how);
      tell((journal) => must(journal.disconnect(own, event.how), "disconnect", own));
    }
  }
}

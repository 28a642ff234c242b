/** A server process as it sees itself: what a recorder would keep, for records that are right and some that are not. */
import type { ScopeListName } from "../../model/parse.ts";
import { listsOf, type Operation } from "../../rig/shard.ts";
import { encodeRecord, type RecordEntry } from "../../src/core/record.ts";

/** One membership that comes or goes. */
export interface Move {
  readonly list: ScopeListName;
  readonly scope: string;
  readonly user: string;
}

const SCOPE_LISTS: readonly ScopeListName[] = ["join", "drop", "part", "shut"];

/** How the memberships of a socket go that goes in this way. */
const GOES = { disconnect: "drop", leave: "part", close: "shut" } as const;

export class Source {
  readonly id: string;
  readonly grace: number;
  /** Which scopes it asks to be told; null: it tracks none, and its records do not mention them. */
  readonly tells: readonly string[] | null;
  readonly open = new Map<string, number>();
  /** Scope → user → memberships. No user has more in a scope than open sockets. */
  readonly rooms = new Map<string, Map<string, number>>();
  memberships = 0;
  seq = 0;
  sockets = 0;
  anonymous = 0;
  /** The last record made. */
  last: string[] | null = null;

  constructor(id: string, grace: number, tells: readonly string[] | null) {
    this.id = id;
    this.grace = grace;
    this.tells = tells;
  }

  /** Keeps its own count. Returns whether the operation is one it would record. */
  count(op: Operation["op"], user: string, wild: boolean): boolean {
    const open = this.open.get(user) ?? 0;
    const step = op === "connect" ? 1 : -1;
    if (open + step < 0 && (!wild || user === "")) return false;
    this.open.set(user, open + step);
    this.sockets = Math.max(0, this.sockets + step);
    if (user === "") this.anonymous += step;
    return true;
  }

  /** The same for a membership. */
  move({ list, scope, user }: Move): boolean {
    if (this.tells === null) return false;
    const users = this.rooms.get(scope) ?? new Map<string, number>();
    const n = users.get(user) ?? 0;
    if (list === "join" ? n >= (this.open.get(user) ?? 0) : n === 0) return false;
    this.rooms.set(scope, users.set(user, n + (list === "join" ? 1 : -1)));
    this.memberships += list === "join" ? 1 : -1;
    return true;
  }

  /** The memberships that go with a socket of `user`, once it is counted as gone. */
  goneWith(op: Exclude<Operation["op"], "connect">, user: string, list: ScopeListName = GOES[op]): Move[] {
    const open = Math.max(0, this.open.get(user) ?? 0);
    return [...this.rooms]
      .filter(([, users]) => (users.get(user) ?? 0) > open)
      .map(([scope]) => ({ list, scope, user }))
      .filter((move) => this.move(move));
  }

  /** The fields of its next record. `apart`: a scope is named again for each user. */
  encode({
    operations = [],
    moves = [],
    memberships = this.memberships,
    apart = false,
    ...entry
  }: Partial<RecordEntry> & {
    sockets: number;
    operations?: readonly Operation[];
    moves?: readonly Move[];
    memberships?: number;
    apart?: boolean;
  }): string[] {
    this.seq++;
    const first = this.seq === 1;
    const fields = encodeRecord({
      process: this.id,
      seq: this.seq,
      ttl: 1000,
      ...listsOf(operations),
      ...(operations.some(({ user }) => user === "") && { anonymous: this.anonymous }),
      ...(first && { about: { host: "h", pid: 1, version: "0", grace: this.grace } }),
      ...entry,
    });
    if (this.tells !== null) {
      const lists = SCOPE_LISTS.flatMap((list) => this.#scopeList(list, moves, apart));
      insert(fields, ["bye", "replaces"], [...lists, "memberships", String(memberships)]);
      const tracks = ["/", ...this.tells.map((scope) => `*${scope}`)];
      if (first)
        insert(
          fields,
          ["connect", "disconnect", "leave", "close", "anonymous", "sockets"],
          ["tracks", JSON.stringify(tracks)],
        );
    }
    this.last = fields;
    return fields;
  }

  #scopeList(list: ScopeListName, moves: readonly Move[], apart: boolean): string[] {
    const items: string[][] = [];
    for (const { scope, user } of moves.filter((move) => move.list === list)) {
      const text = list === "join" && this.tells!.includes(scope) ? `*${scope}` : scope;
      const item = apart ? undefined : items.find(([name]) => name === text);
      if (item === undefined) items.push([text, user]);
      else item.push(user);
    }
    return items.length === 0 ? [] : [list, JSON.stringify(items)];
  }
}

/** Before the first of `names` that the fields have, or at their end. */
function insert(fields: string[], names: readonly string[], more: readonly string[]): void {
  const at = fields.findIndex((name, i) => i % 2 === 0 && names.includes(name));
  fields.splice(at === -1 ? fields.length : at, 0, ...more);
}

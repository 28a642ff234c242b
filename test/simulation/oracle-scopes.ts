/** What records say of scopes, as far as docs/protocol.md goes: pure, and a part of the oracle. */
import { type RecordEntry, SCOPE_LISTS } from "../../src/core/record.ts";

/** Scope → user → sockets. */
export type Members = ReadonlyMap<string, ReadonlyMap<string, number>>;

export const NOBODY: Members = new Map();

export function sumOfMembers(members: Members): number {
  let sum = 0;
  for (const users of members.values()) for (const n of users.values()) sum += n;
  return sum;
}

/** The memberships of a process after a record; undefined: the record cannot be true. */
export function membersAfter(members: Members, record: RecordEntry): Members | undefined {
  if (record.memberships === undefined) return members;
  const after = new Map<string, Map<string, number>>();
  for (const [scope, users] of members) after.set(scope, new Map(users));
  for (const name of SCOPE_LISTS) {
    for (const [marked, ...users] of record[name] ?? []) {
      const scope = marked!.replace(/^\*/, "");
      const there = after.get(scope) ?? new Map<string, number>();
      after.set(scope, there);
      for (const user of users) {
        const n = (there.get(user) ?? 0) + (name === "join" ? 1 : -1);
        if (n < 0) return undefined;
        if (n === 0) there.delete(user);
        else there.set(user, n);
      }
    }
  }
  for (const [scope, users] of after) if (users.size === 0) after.delete(scope);
  return sumOfMembers(after) === record.memberships ? after : undefined;
}

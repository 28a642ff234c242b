/** A server process as it sees itself: what a recorder would keep, for records that are right and some that are not. */
import { listsOf, type Operation } from "../../rig/shard.ts";
import { encodeRecord, type RecordEntry } from "../../src/core/record.ts";

export class Source {
  readonly id: string;
  readonly grace: number;
  readonly open = new Map<string, number>();
  seq = 0;
  sockets = 0;
  anonymous = 0;
  /** The last record made. */
  last: string[] | null = null;

  constructor(id: string, grace: number) {
    this.id = id;
    this.grace = grace;
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

  /** The fields of its next record. */
  encode({
    operations = [],
    ...entry
  }: Partial<RecordEntry> & { sockets: number; operations?: readonly Operation[] }): string[] {
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
    this.last = fields;
    return fields;
  }
}

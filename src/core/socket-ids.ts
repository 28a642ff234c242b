/**
 * The ids of the sockets of one process in one shard, and in which scopes each is (docs/protocol.md, "Scopes", `open`). Pure. It is
 * part of the journal.
 *
 * Only which sockets have changed is kept, and what they are now is read when a record is made: so it is bounded by the sockets open
 * now plus those open at the last record.
 */
import { SOCKET_SCOPES_BYTES_MAX, SOCKET_SCOPES_MAX } from "./limits.ts";
import type { RecordLists } from "./record-lists.ts";
import { utf8Length } from "./utf8.ts";

interface Opened {
  readonly user: string;
  readonly scopes: Iterable<string>;
}

export class SocketIds {
  readonly #open = new Map<string, Opened>();
  /** Those in records. */
  readonly #recorded = new Set<string>();
  /** Those whose state is not in a record yet. */
  readonly #changed = new Set<string>();

  get dirty(): boolean {
    return this.#changed.size > 0;
  }

  /** About how many operations of a record that takes. */
  get operations(): number {
    return this.#changed.size;
  }

  /** The check digit: how many have been stated, after the last record made. */
  get recorded(): number {
    return this.#recorded.size;
  }

  /** Entries kept in memory. */
  get size(): number {
    return this.#open.size + this.#recorded.size + this.#changed.size;
  }

  /** `scopes`, with or without `*` before them, is read when a record is made. */
  set(id: string, user: string, scopes: Iterable<string>): void {
    this.#open.set(id, { user, scopes });
    this.#changed.add(id);
  }

  delete(id: string): void {
    if (!this.#open.delete(id)) return;
    if (this.#recorded.has(id)) this.#changed.add(id);
    else this.#changed.delete(id);
  }

  /** Moves what has changed into a record. Returns false when the record is full before the end. */
  take(lists: RecordLists): boolean {
    for (const id of this.#changed) {
      const socket = this.#open.get(id);
      const scopes = socket === undefined ? [] : listed(socket.scopes);
      if (scopes.length > 0) {
        if (!lists.addOpen(id, socket!.user, scopes)) return false;
        this.#recorded.add(id);
      } else if (this.#recorded.has(id)) {
        if (!lists.addGone(id)) return false;
        this.#recorded.delete(id);
      }
      this.#changed.delete(id);
    }
    return true;
  }

  /** Makes all that is open pending again. */
  restate(): void {
    this.#recorded.clear();
    this.#changed.clear();
    for (const id of this.#open.keys()) this.#changed.add(id);
  }
}

/** The scopes of a socket that are listed: the namespace, and as many of its rooms as fit. */
function listed(scopes: Iterable<string>): string[] {
  const some: string[] = [];
  let bytes = 0;
  for (const marked of scopes) {
    const scope = marked.startsWith("*") ? marked.slice(1) : marked;
    bytes += utf8Length(scope);
    if (some.length === SOCKET_SCOPES_MAX || bytes > SOCKET_SCOPES_BYTES_MAX) break;
    some.push(scope);
  }
  return some;
}

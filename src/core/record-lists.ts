/** The lists of a record being made, within the limits of the protocol (docs/protocol.md, "Records"). */
import type { Departure, Sink, WholeSink } from "./ledger.ts";
import { LIST_BYTES_MAX, OPERATIONS_MAX, SCOPE_OPERATIONS, SOCKET_SCOPES_PER_OPERATION } from "./limits.ts";
import { LISTS, type ListName, type ScopeListName } from "./record.ts";
import { utf8Length } from "./utf8.ts";

/** How many full lists a record has at most where there is a choice. */
const LISTS_FULL_MAX = 5;

/** Text that JSON writes unescaped, one byte per character. */
const PLAIN = /^[ !#-[\]-~]*$/;

/** Bytes of an id in a JSON list, quotes and comma included. */
function bytesOf(text: string): number {
  return PLAIN.test(text) ? text.length + 3 : utf8Length(JSON.stringify(text)) + 1;
}

/** As a sink it takes the sockets of the whole; for those of a scope there is ScopeSink. */
export class RecordLists implements WholeSink {
  readonly users: { [Name in ListName]?: string[] } = {};
  readonly scopes: { [Name in ScopeListName]?: string[][] } = {};
  readonly ids: { open?: string[][]; gone?: string[] } = {};
  readonly #bytes: Record<ListName | ScopeListName | "open" | "gone", number> = {
    connect: 2, disconnect: 2, leave: 2, close: 2, join: 2, drop: 2, part: 2, shut: 2, open: 2, gone: 2,
  }; // prettier-ignore
  #operations = 0;
  /** Their net change in sockets. */
  sockets = 0;
  /** Their net change in memberships. */
  memberships = 0;

  came(user: string): boolean {
    return this.add("connect", user);
  }

  went(user: string, departure: Departure): boolean {
    return this.add(departure, user);
  }

  /** Both are recorded, in the order of the lists. */
  cameAndWent(user: string, departure: Departure): boolean {
    const bytes = bytesOf(user);
    if (this.#operations + 2 > OPERATIONS_MAX) return false;
    if (!LISTS.every((name) => this.#bytes[name] + bytes <= LIST_BYTES_MAX)) return false;
    return this.add("connect", user) && this.add(departure, user);
  }

  /** Returns false, and adds nothing, when the list is full. */
  add(name: ListName, user: string): boolean {
    const bytes = bytesOf(user);
    if (this.#operations === OPERATIONS_MAX || this.#bytes[name] + bytes > LIST_BYTES_MAX) return false;
    (this.users[name] ??= []).push(user);
    this.#bytes[name] += bytes;
    this.#operations++;
    this.sockets += name === "connect" ? 1 : -1;
    return true;
  }

  /** The same for one membership. Those of a scope are put together when they are added one after another. */
  addMembership(name: ScopeListName, scope: string, user: string): boolean {
    const last = this.scopes[name]?.at(-1);
    const isNamed = last?.[0] === scope;
    const bytes = bytesOf(user) + (isNamed ? 0 : bytesOf(scope) + 2);
    const operations = isNamed ? 1 : 1 + SCOPE_OPERATIONS;
    if (this.#operations + operations > OPERATIONS_MAX || this.#bytes[name] + bytes > LIST_BYTES_MAX)
      return false;
    if (isNamed) last.push(user);
    else (this.scopes[name] ??= []).push([scope, user]);
    this.#bytes[name] += bytes;
    this.#operations += operations;
    this.memberships += name === "join" ? 1 : -1;
    return true;
  }

  /** A socket is in these scopes, at least one. Returns false, and adds nothing, when there is no room for it. */
  addOpen(id: string, user: string, scopes: readonly string[]): boolean {
    const item = [id, user, ...scopes];
    const bytes = item.reduce((sum, text) => sum + bytesOf(text), 2);
    if (!this.#addId("open", bytes, 1 + Math.ceil(scopes.length / SOCKET_SCOPES_PER_OPERATION))) return false;
    (this.ids.open ??= []).push(item);
    return true;
  }

  /** It has gone. */
  addGone(id: string): boolean {
    if (!this.#addId("gone", bytesOf(id), 1)) return false;
    (this.ids.gone ??= []).push(id);
    return true;
  }

  /** Beside other lists there is room for fewer: a record with all lists full would be too long to be signed. */
  #addId(name: "open" | "gone", bytes: number, operations: number): boolean {
    const all = Object.values(this.#bytes).reduce((sum, some) => sum + some, 0);
    if (this.#operations + operations > OPERATIONS_MAX) return false;
    if (this.#bytes[name] + bytes > LIST_BYTES_MAX || all + bytes > LISTS_FULL_MAX * LIST_BYTES_MAX)
      return false;
    this.#bytes[name] += bytes;
    this.#operations += operations;
    return true;
  }
}

const SCOPE_LIST_OF = { disconnect: "drop", leave: "part" } as const;

/** Takes the memberships of one scope. */
export class ScopeSink implements Sink {
  readonly #lists: RecordLists;
  readonly #scope: string;

  constructor(lists: RecordLists, scope: string) {
    this.#lists = lists;
    this.#scope = scope;
  }

  came(user: string): boolean {
    return this.#lists.addMembership("join", this.#scope, user);
  }

  went(user: string, departure: Departure): boolean {
    return this.#lists.addMembership(SCOPE_LIST_OF[departure], this.#scope, user);
  }
}

/**
 * One server process with its sockets, which are the truth that the counts must reach (INV-3).
 */
import { GONE_MAX } from "../../src/core/journal.ts";
import { hold, Violation } from "./faults.ts";
import type { Host } from "./host.ts";
import type { Link } from "./link.ts";
import { at } from "../../rig/random.ts";
import type { ScopesRead } from "../../rig/scopes.ts";
import { slotsOf } from "../../rig/slots.ts";
import type { Recorder } from "./recorder.ts";
import { manyRooms, namespaceOf, roomOf } from "./rooms.ts";

/** Few, so that users meet on several nodes. Some have names that trip up careless code; "" is an anonymous socket. */
const USERS = ["a", "b", "c", "d", "e", "f", "", "__proto__", "1e5"] as const;

/** A record takes some 130 names as long as this. */
const LONG = "s".repeat(240);

export interface NodeParts {
  readonly host: Host;
  readonly link: Link;
  readonly recorder: Recorder;
  /** The scopes whose changes it asks to be told. */
  readonly tells: ReadonlySet<string>;
}

/** What a client sees of itself. */
interface Socket {
  readonly user: string;
  /** In the order in which it joined them, the namespace first. */
  readonly scopes: Set<string>;
}

/** A namespace that is drawn with the same number as something else must not always go along with it. */
const mixed = (fraction: number, by: number) => (fraction * by) % 1;

export class Node {
  readonly host: Host;
  readonly link: Link;
  readonly recorder: Recorder;
  /** Those that are open. */
  readonly sockets: Socket[] = [];
  readonly tells: ReadonlySet<string>;
  #closing = false;
  /** Most different users at once since the process began. */
  #most = 0;
  /** All users who were ever here: one who came and went is remembered until it is recorded. */
  readonly #ever = new Set<string>();
  /** The same of users in scopes, and of the scopes themselves. */
  #mostMembers = 0;
  readonly #everMembers = new Set<string>();
  readonly #everScopes = new Set<string>();

  constructor({ host, link, recorder, tells }: NodeParts) {
    this.host = host;
    this.link = link;
    this.recorder = recorder;
    this.tells = tells;
  }

  /** Can users reach it? */
  get open(): boolean {
    return this.host.alive && !this.host.stalled && !this.#closing;
  }

  connect(fraction: number): void {
    const namespace = namespaceOf(mixed(fraction, 13));
    const some = mixed(fraction, 101);
    // Half of them are in a room from the start.
    const rooms = some < 0.5 ? [roomOf(namespace, some * 2)] : [];
    this.#add(at(USERS, fraction), [namespace, ...rooms]);
  }

  disconnect(fraction: number, fall: "disconnect" | "leave"): void {
    if (this.sockets.length === 0) return;
    const [socket] = this.sockets.splice(Math.floor(fraction * this.sockets.length), 1);
    this.#remove(socket!, fall);
    this.#bounded();
  }

  /** A socket joins a room of its namespace, if it is not there. */
  join(fraction: number): void {
    const socket = this.#socketOf(fraction);
    if (socket !== undefined) this.#enter(socket, roomOf(namespaceOfSocket(socket), mixed(fraction, 101)));
    this.#bounded();
  }

  /** A socket leaves a room, or now and then all of them. */
  part(fraction: number): void {
    const socket = this.#socketOf(fraction);
    if (socket === undefined) return;
    const [, ...rooms] = socket.scopes;
    const which = mixed(fraction, 101);
    const left = which < 0.2 || rooms.length === 0 ? rooms : [at(rooms, which)];
    for (const scope of left) {
      socket.scopes.delete(scope);
      this.recorder.part(this.#marked(scope), socket.user, "leave");
    }
    this.#bounded();
  }

  /** A socket joins many rooms, more than fit in a record now and then. */
  roam(fraction: number): void {
    const socket = this.#socketOf(fraction);
    if (socket === undefined) return;
    for (const scope of manyRooms(namespaceOfSocket(socket), mixed(fraction, 101)))
      this.#enter(socket, scope);
    this.#bounded();
  }

  #socketOf(fraction: number): Socket | undefined {
    return this.sockets.length === 0 ? undefined : at(this.sockets, fraction);
  }

  /** The order of src/recorder/sockets: memberships go before their socket. */
  #remove({ user, scopes }: Socket, fall: "disconnect" | "leave"): void {
    for (const scope of scopes) this.recorder.part(this.#marked(scope), user, fall);
    this.recorder.disconnect(user, fall);
  }

  #enter(socket: Socket, scope: string): void {
    if (socket.scopes.has(scope)) return;
    socket.scopes.add(scope);
    this.#everMembers.add(`${socket.user} ${scope}`);
    this.#everScopes.add(scope);
    this.recorder.join(this.#marked(scope), socket.user);
  }

  #marked(scope: string): string {
    return this.tells.has(scope) ? `*${scope}` : scope;
  }

  /** A socket changes its user, as attach() in src/recorder/socket-io.ts does it. */
  identify(fraction: number): void {
    const socket = this.#socketOf(fraction);
    if (socket === undefined) return;
    this.disconnect(fraction, "leave");
    this.#add(at(USERS, (fraction * 7) % 1), [...socket.scopes]);
  }

  /** Many users at once. */
  storm(count: number): void {
    for (let i = 0; i < count; i++) this.#add(`${LONG}${i}`, ["/"]);
  }

  /** Says goodbye, and ends whether or not Redis heard it. Its sockets go with it. */
  close(timeout: number): void {
    this.#closing = true;
    this.sockets.length = 0;
    this.recorder.close(timeout);
    this.host.after(timeout, () => this.crash());
  }

  crash(): void {
    this.host.crash();
    this.sockets.length = 0;
  }

  #add(user: string, scopes: readonly string[]): void {
    const socket = { user, scopes: new Set<string>() };
    this.sockets.push(socket);
    this.#ever.add(user);
    this.recorder.connect(user);
    for (const scope of scopes) this.#enter(socket, scope);
    this.#bounded();
  }

  /** INV-9: users with open sockets, once for their count and at most once for what is not recorded of them, and those gone; users in scopes alike. */
  #bounded(): void {
    const users = new Set(this.sockets.map(({ user }) => user)).size;
    this.#most = Math.max(this.#most, users);
    const members = new Set(
      this.sockets.flatMap(({ user, scopes }) => [...scopes].map((one) => `${user} ${one}`)),
    ).size;
    this.#mostMembers = Math.max(this.#mostMembers, members);
    const { size } = this.recorder;
    const bound =
      2 * (users + members) +
      this.#most +
      this.#mostMembers +
      Math.min(GONE_MAX, this.#ever.size) +
      Math.min(GONE_MAX, this.#everMembers.size) +
      this.#everScopes.size;
    if (size > bound)
      throw new Violation("INV-9", `the journal holds ${size} entries, the bound is ${bound}`);
  }
}

function namespaceOfSocket({ scopes }: Socket): string {
  return [...scopes][0]!;
}

/** INV-3: what is counted is what is open. */
export function checkTruth(
  nodes: readonly Node[],
  counted: ReadonlyMap<string, number>,
  anonymous: number,
): void {
  const open = new Map<string, number>();
  for (const { sockets } of nodes) for (const { user } of sockets) open.set(user, (open.get(user) ?? 0) + 1);
  hold("INV-3", "the number of anonymous sockets", anonymous, open.get("") ?? 0);
  open.delete("");
  const sort = (counts: ReadonlyMap<string, number>) => [...counts].sort(([a], [b]) => (a < b ? -1 : 1));
  hold("INV-3", "users", sort(counted), sort(open));
}

/** INV-16: who is counted in scopes is who is there, on processes that track them; and these tell what they ask for. */
export function checkScopeTruth(
  nodes: readonly Node[],
  { hashes, told }: Pick<ScopesRead, "hashes" | "told">,
): void {
  const truth = new Map<string, Map<string, number>>();
  const tells = new Set<string>();
  for (const { sockets, tells: own, recorder } of nodes) {
    if (!recorder.tracks) continue;
    for (const { user, scopes } of sockets)
      for (const scope of scopes) {
        const users = truth.get(scope) ?? new Map<string, number>();
        truth.set(scope, users.set(user, (users.get(user) ?? 0) + 1));
        if (own.has(scope)) tells.add(scope);
      }
  }
  const members = (users: Iterable<readonly [string, number]>) =>
    [...users].map(([user, n]) => `${user}: ${n}`).sort();
  const found = Object.entries(hashes).map(([scope, texts]): [string, string[]] => [
    scope,
    members(Object.entries(texts).map(([user, text]) => [user, sumOf(slotsOf(text))] as const)),
  ]);
  const wanted = [...truth].map(([scope, users]): [string, string[]] => [scope, members(users)]);
  hold("INV-16", "who is in scopes", found.sort(byScope), wanted.sort(byScope));
  hold("INV-16", "scopes that are not told", [...tells].filter((scope) => !told.includes(scope)).sort(), []);
}

const byScope = ([a]: [string, unknown], [b]: [string, unknown]) => (a < b ? -1 : 1);
const sumOf = (slots: ReadonlyMap<number, number>) => [...slots.values()].reduce((all, n) => all + n, 0);

/**
 * One server process with its sockets, which are the truth that the counts must reach (INV-3).
 */
import { GONE_MAX } from "../../src/core/journal.ts";
import { hold, Violation } from "./faults.ts";
import type { Host } from "./host.ts";
import type { Link } from "./link.ts";
import { at } from "../../rig/random.ts";
import type { Recorder } from "./recorder.ts";

/** Few, so that users meet on several nodes. Some have names that trip up careless code; "" is an anonymous socket. */
const USERS = ["a", "b", "c", "d", "e", "f", "", "__proto__", "1e5"] as const;

/** A record takes some 130 names as long as this. */
const LONG = "s".repeat(240);

export interface NodeParts {
  readonly host: Host;
  readonly link: Link;
  readonly recorder: Recorder;
}

export class Node {
  readonly host: Host;
  readonly link: Link;
  readonly recorder: Recorder;
  /** The user of each open socket. */
  readonly sockets: string[] = [];
  #closing = false;
  /** Most different users at once since the process began. */
  #most = 0;
  /** All users who were ever here: one who came and went is remembered until it is recorded. */
  readonly #ever = new Set<string>();

  constructor({ host, link, recorder }: NodeParts) {
    this.host = host;
    this.link = link;
    this.recorder = recorder;
  }

  /** Can users reach it? */
  get open(): boolean {
    return this.host.alive && !this.host.stalled && !this.#closing;
  }

  connect(fraction: number): void {
    this.#add(at(USERS, fraction));
  }

  disconnect(fraction: number, fall: "disconnect" | "leave"): void {
    if (this.sockets.length === 0) return;
    const [user] = this.sockets.splice(Math.floor(fraction * this.sockets.length), 1);
    this.recorder.disconnect(user!, fall);
    this.#bounded();
  }

  /** A socket changes its user, as attach() in src/recorder/socket-io.ts does it. */
  identify(fraction: number): void {
    if (this.sockets.length === 0) return;
    this.disconnect(fraction, "leave");
    this.#add(at(USERS, (fraction * 7) % 1));
  }

  /** Many users at once. */
  storm(count: number): void {
    for (let i = 0; i < count; i++) this.#add(`${LONG}${i}`);
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

  #add(user: string): void {
    this.sockets.push(user);
    this.#ever.add(user);
    this.recorder.connect(user);
    this.#bounded();
  }

  /** INV-9: the users with open sockets, once for their count and at most once for what is not recorded of them, and those gone. */
  #bounded(): void {
    const users = new Set(this.sockets).size;
    this.#most = Math.max(this.#most, users);
    const { size } = this.recorder;
    const bound = 2 * users + this.#most + Math.min(GONE_MAX, this.#ever.size);
    if (size > bound)
      throw new Violation("INV-9", `the journal holds ${size} entries, the bound is ${bound}`);
  }
}

/** INV-3: what is counted is what is open. */
export function checkTruth(
  nodes: readonly Node[],
  counted: ReadonlyMap<string, number>,
  anonymous: number,
): void {
  const open = new Map<string, number>();
  for (const node of nodes) for (const user of node.sockets) open.set(user, (open.get(user) ?? 0) + 1);
  hold("INV-3", "the number of anonymous sockets", anonymous, open.get("") ?? 0);
  open.delete("");
  const sort = (counts: ReadonlyMap<string, number>) => [...counts].sort(([a], [b]) => (a < b ? -1 : 1));
  hold("INV-3", "users", sort(counted), sort(open));
}

/**
 * The users of the demo and their tabs. They are the source of truth: the clients know which sockets are open and whose they
 * are, independently of presence.
 */
import type { Incarnation } from "./cluster.ts";
import { namesOf } from "./names.ts";
import { pause } from "../../rig/pace.ts";
import { Tab } from "./tab.ts";

/** Numbers of tabs, assigned to users in turn. */
const TABS = [1, 2, 1, 3];
/** One anonymous visitor for so many users. */
const USERS_PER_VISITOR = 10;
/** How many tabs are opened at once. */
const CROWD = 20;
const CROWD_PAUSE_MS = 20;

export interface Truth {
  readonly sockets: number;
  readonly users: ReadonlySet<string>;
  readonly socketsOf: ReadonlyMap<Incarnation, number>;
}

export class Population {
  readonly users: readonly string[];
  readonly #tabs: Tab[] = [];
  readonly #up: () => readonly Incarnation[];

  constructor(users: number, up: () => readonly Incarnation[]) {
    this.#up = up;
    this.users = namesOf(users);
    this.users.forEach((user, i) => {
      for (let n = TABS[i % TABS.length]!; n > 0; n--) this.#add(user);
    });
    for (let i = 0; i < Math.ceil(users / USERS_PER_VISITOR); i++) this.#add(null);
  }

  get tabs(): readonly Tab[] {
    return this.#tabs;
  }

  /** The state of the clients. */
  truth(): Truth {
    const users = new Set<string>();
    const socketsOf = new Map<Incarnation, number>();
    let sockets = 0;
    for (const { connection, user } of this.#tabs) {
      if (connection === undefined) continue;
      sockets++;
      if (user !== null) users.add(user);
      socketsOf.set(connection.node, (socketsOf.get(connection.node) ?? 0) + 1);
    }
    return { sockets, users, socketsOf };
  }

  /** Every open tab is connected to a node that is up, and no closed tab is connected. */
  get isSettled(): boolean {
    return this.#tabs.every(({ isOpen, connection }) =>
      isOpen ? connection?.node.state === "up" : connection === undefined,
    );
  }

  /** Users connected to this node only. */
  usersOnlyOn(node: Incarnation): string[] {
    const elsewhere = new Set(
      this.#tabs.filter((tab) => tab.isOpen && tab.node !== node).map((tab) => tab.user),
    );
    const here = new Set(this.#tabs.filter((tab) => tab.node === node).map((tab) => tab.user));
    return [...here].filter((user): user is string => user !== null && !elsewhere.has(user));
  }

  /** Opens these tabs, some at a time; does not wait until they are connected. */
  async open(tabs: readonly Tab[], signal: AbortSignal): Promise<void> {
    for (let first = 0; first < tabs.length; first += CROWD) {
      for (const tab of tabs.slice(first, first + CROWD)) tab.open();
      await pause(CROWD_PAUSE_MS, signal);
    }
  }

  tabsOf(users: readonly string[]): Tab[] {
    const wanted = new Set<string | null>(users);
    return this.#tabs.filter((tab) => wanted.has(tab.user));
  }

  /** Closes every tab, with a goodbye. */
  leave(): void {
    for (const tab of this.#tabs) tab.close();
  }

  #add(user: string | null): void {
    this.#tabs.push(new Tab(user, () => this.#leastBusy()));
  }

  #leastBusy(): Incarnation | undefined {
    const busy = new Map(this.#up().map((node) => [node, 0]));
    for (const { node } of this.#tabs) {
      if (node !== undefined && busy.has(node)) busy.set(node, busy.get(node)! + 1);
    }
    return [...busy].sort(([, a], [, b]) => a - b)[0]?.[0];
  }
}

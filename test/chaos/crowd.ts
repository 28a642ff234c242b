/**
 * The users and their tabs. They are the truth: how many sockets are open, and whose they are, comes from the clients, never
 * from presence.
 *
 * Half of the users are steady: they never close a tab and only lose connections, so they must never be reported offline.
 * The others open and close tabs all the time.
 */
import { pause } from "../../rig/pace.ts";
import type { Random } from "../../rig/random.ts";
import type { Member } from "./fleet.ts";
import { History } from "./history.ts";
import { ROOMS, SLACK_MS } from "./settings.ts";
import { Tab } from "./tab.ts";

/** How many tabs the users have, in turn. */
const TABS = [1, 2, 1, 3];
const USERS_PER_VISITOR = 10;
/** So many tabs are opened in one go: a crowd, but no stampede. */
const HANDFUL = 20;
const HANDFUL_PAUSE_MS = 20;
const CHURN_PAUSE_MS = 120;
/** Of the open tabs that churn comes upon. */
const CLOSES = 0.25;
const DROPS = 0.15;
/** Joins a room or leaves it. */
const MOVES = 0.2;

/** Of the whole, or of a room. */
export interface Present {
  readonly sockets: number;
  readonly users: ReadonlySet<string>;
}

export interface Truth extends Present {
  /** Changes whenever the rest does. */
  readonly version: number;
  /** Whether some tabs may be in other rooms than they are here. */
  readonly isMoving: boolean;
  /** Room → who is there. */
  readonly rooms: ReadonlyMap<string, Present>;
}

export class Crowd {
  readonly #up: () => readonly Member[];
  readonly #tabs: Tab[] = [];
  readonly #steady = new Set<string>();
  readonly #histories = new Map<string, History>();
  /** Tabs added later are a fault's, and churn leaves them alone. */
  readonly #residents: number;
  #version = 0;

  constructor(users: number, up: () => readonly Member[]) {
    this.#up = up;
    for (let i = 0; i < users; i++) {
      const user = `user-${i}`;
      if (Math.floor(i / TABS.length) % 2 === 0) this.#steady.add(user);
      for (let n = TABS[i % TABS.length]!; n > 0; n--) this.add(user);
    }
    for (let i = 0; i < Math.ceil(users / USERS_PER_VISITOR); i++) this.add(null);
    this.#residents = this.#tabs.length;
  }

  get tabs(): readonly Tab[] {
    return this.#tabs;
  }

  historyOf(user: string): History | undefined {
    return this.#histories.get(user);
  }

  /**
   * What the clients say about themselves. A stopped node holds its sockets and its clients do not notice, but a node
   * that does nothing cannot keep its lease: what it holds does not count until it is woken.
   */
  truth(): Truth {
    const users = new Set<string>();
    const rooms = new Map(ROOMS.map((room) => [room as string, { sockets: 0, users: new Set<string>() }]));
    let sockets = 0;
    let isMoving = false;
    for (const tab of this.#tabs) {
      const { isConnected, node, user } = tab;
      if (!isConnected || node?.state === "stopped") continue;
      sockets++;
      if (user !== null) users.add(user);
      if (tab.isMoving) isMoving = true;
      for (const name of tab.rooms) {
        const room = rooms.get(name)!;
        room.sockets++;
        if (user !== null) room.users.add(user);
      }
    }
    return { version: this.#version, sockets, users, isMoving, rooms };
  }

  /** Users with at least one socket on this node. */
  usersOn(node: Member): Set<string> {
    return new Set(this.#tabs.filter((tab) => tab.node === node).flatMap(({ user }) => user ?? []));
  }

  /** Every open tab is connected to a node that is up, and no other one is. */
  get isSettled(): boolean {
    return this.#tabs.every(
      (tab) => tab.isOpen === tab.isConnected && !tab.isMoving && (!tab.isOpen || tab.node?.state !== "down"),
    );
  }

  add(user: string | null): Tab {
    if (user !== null && !this.#histories.has(user)) this.#histories.set(user, new History(Date.now()));
    // Everybody is somewhere, and tabs of a user are not all in the same rooms.
    const rooms = ROOMS.filter((_, i) => i === 0 || this.#tabs.length % (i + 1) === 0);
    const tab = new Tab(user, rooms, {
      balance: () => this.#leastBusy(),
      onConnect: () => {
        this.#version++;
        if (user !== null) this.#histories.get(user)!.connected(Date.now());
      },
      onRooms: () => {
        this.#version++;
      },
      onGone: (_, goodbye) => {
        this.#version++;
        if (user !== null) this.#histories.get(user)!.disconnected(Date.now(), { goodbye, blur: SLACK_MS });
      },
    });
    this.#tabs.push(tab);
    return tab;
  }

  remove(tabs: ReadonlySet<Tab>): void {
    for (const tab of tabs) tab.close();
    this.#tabs.splice(0, Infinity, ...this.#tabs.filter((tab) => !tabs.has(tab)));
  }

  /** Opens these tabs, a few at a time; does not wait until they are connected. */
  async open(tabs: readonly Tab[], signal: AbortSignal): Promise<void> {
    for (let first = 0; first < tabs.length; first += HANDFUL) {
      for (const tab of tabs.slice(first, first + HANDFUL)) tab.open();
      await pause(HANDFUL_PAUSE_MS, signal);
    }
  }

  /** Tabs are opened, closed and dropped until the signal fires; then it resolves. */
  async churn(random: Random, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const tab = this.#tabs[random.int(0, this.#residents - 1)]!;
      const dice = random.next();
      if (!tab.isOpen) tab.open();
      else if (dice < CLOSES && !this.#steady.has(tab.user ?? "")) tab.close();
      else if (dice < CLOSES + DROPS) tab.drop();
      else if (dice < CLOSES + DROPS + MOVES) tab.toggle(random.pick(ROOMS));
      await pause(CHURN_PAUSE_MS, signal).catch(() => {});
    }
  }

  /** All users say goodbye. */
  leave(): void {
    for (const tab of this.#tabs) tab.close();
  }

  #leastBusy(): Member | undefined {
    const busy = new Map(this.#up().map((node) => [node, 0]));
    for (const { node } of this.#tabs) {
      if (node !== undefined && busy.has(node)) busy.set(node, busy.get(node)! + 1);
    }
    return [...busy].sort(([, a], [, b]) => a - b)[0]?.[0];
  }
}

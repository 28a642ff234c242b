/**
 * Goal: of the sockets of one user exactly one stays, the same whatever is lost, late, repeated or in another order, and it is the
 * newest in the log.
 * Method: processes with a log and a network of their own, all steps in a random order; then announcements are repeated, as
 * heartbeats do, until nothing changes.
 */
import { describe, expect, it } from "vitest";
import { type Announcement, isOlder, OnlyOne, type Stamp, type Verdict } from "../../../src/core/only-one.ts";
import { Random } from "../../../rig/random.ts";

const CONTEST = "/,alice";
const RACES = 1_000;

function randomOf(seed: string): () => number {
  const random = new Random(seed);
  return () => random.next();
}

interface Tab {
  readonly process: number;
  readonly name: string;
}

/** A log and up to four processes; a step is taken when the test says so. */
class World {
  readonly processes: OnlyOne<Tab>[];
  /** Not delivered yet: to which process. */
  readonly network: { to: number; announcement: Announcement }[] = [];
  readonly open = new Set<Tab>();
  /** The place of each tab in the log, as its process was told. */
  readonly stamps = new Map<Tab, Stamp>();
  readonly #random: () => number;
  /** The part of announcements that is lost. */
  loss: number;
  readonly #flying: boolean[] = [];
  readonly #unstamped = new Map<Tab, number>();
  readonly #sent: Map<Tab, number>[] = [];
  #records = 0;
  readonly #n: number[];

  constructor(processes: number, random: () => number, loss: number) {
    this.processes = Array.from({ length: processes }, () => new OnlyOne<Tab>(1));
    this.#random = random;
    this.loss = loss;
    this.#n = this.processes.map(() => 0);
  }

  connect(process: number): Tab {
    const tab = { process, name: `${process}.${this.#n[process]}` };
    this.open.add(tab);
    this.#unstamped.set(tab, ++this.#n[process]!);
    this.#end(this.processes[process]!.connected(CONTEST, 0, tab));
    return tab;
  }

  close(tab: Tab): void {
    this.open.delete(tab);
    this.processes[tab.process]!.left(tab);
  }

  /** The process makes a record, unless one is on its way. */
  take(process: number): void {
    if (this.#flying[process] === true) return;
    this.#flying[process] = true;
    const own = [...this.#unstamped].filter(([tab]) => tab.process === process);
    for (const [tab] of own) this.#unstamped.delete(tab);
    this.#sent[process] = new Map(own);
    this.processes[process]!.taken(0);
  }

  /** It is appended; now and then the reply is lost, and it is appended again under a later id. */
  append(process: number): void {
    if (this.#flying[process] !== true) return;
    this.#records++;
    if (this.#random() < 0.2) return;
    this.#flying[process] = false;
    // Two records in the same ms, and ids that are no order as text.
    const record = `${Math.floor(this.#records / 20) + 9}-${(this.#records % 20) + 1}`;
    for (const [tab, n] of this.#sent[process]!) this.stamps.set(tab, { record, n });
    this.#carryOut(process, this.processes[process]!.appended(0, record));
  }

  deliver(i: number): void {
    const [{ to, announcement }] = this.network.splice(i, 1) as [(typeof this.network)[number]];
    this.#carryOut(to, this.processes[to]!.heard(announcement));
    // Delivered twice.
    if (this.#random() < 0.1) this.#carryOut(to, this.processes[to]!.heard(announcement));
  }

  /** The announcements of a heartbeat. */
  repeat(process: number): void {
    const core = this.processes[process]!;
    this.#carryOut(process, { ended: [], announced: core.announcements(core.contests) });
  }

  #carryOut(process: number, { ended, announced }: Verdict<Tab>): void {
    this.#end(ended);
    for (const announcement of announced)
      for (let to = 0; to < this.processes.length; to++)
        if (to !== process && this.#random() >= this.loss) this.network.push({ to, announcement });
  }

  #end(tabs: readonly Tab[]): void {
    for (const tab of tabs) this.close(tab);
  }
}

/** Until nothing is on its way, with heartbeats of which up to half are lost. */
function rest(world: World, random: () => number): void {
  world.loss = Math.min(world.loss, 0.5);
  for (let round = 0; round < 60; round++) {
    for (const process of world.processes.keys()) {
      world.take(process);
      world.append(process);
      world.repeat(process);
    }
    while (world.network.length > 0) world.deliver(Math.floor(random() * world.network.length));
  }
}

function newestOf(places: readonly (readonly [Tab, Stamp])[]): Tab {
  return places.reduce((best, one) => (isOlder(best[1], one[1]) ? one : best))[0];
}

describe(`${RACES} races of 2 to 4 processes`, () => {
  it("exactly one socket stays, and it is the newest in the log", () => {
    for (let seed = 1; seed <= RACES; seed++) {
      const random = randomOf(`race ${seed}`);
      const count = 2 + Math.floor(random() * 3);
      const world = new World(count, random, [0, 0.3, 0.5, 0.9][seed % 4]!);
      const tabs = 2 + Math.floor(random() * 5);
      let left = tabs;
      while (left > 0 || random() < 0.9) {
        const process = Math.floor(random() * count);
        const dice = random();
        if (dice < 0.3 && left > 0) {
          world.connect(process);
          left--;
        } else if (dice < 0.5) world.take(process);
        else if (dice < 0.7) world.append(process);
        else if (world.network.length > 0) world.deliver(Math.floor(random() * world.network.length));
      }
      rest(world, random);
      const open = [...world.open];
      expect(
        open.map(({ name }) => name),
        `seed ${seed}`,
      ).toHaveLength(1);
      expect(open[0], `seed ${seed}`).toBe(newestOf([...world.stamps]));
      for (const [i, core] of world.processes.entries())
        expect(core.size, `seed ${seed}`).toBe(open[0]!.process === i ? 1 : 0);
    }
  });

  it("also when sockets close meanwhile: then at most one stays, and one that was not closed by its user does", () => {
    for (let seed = 1; seed <= RACES / 4; seed++) {
      const random = randomOf(`closing ${seed}`);
      const world = new World(3, random, 0.3);
      for (let step = 0; step < 60; step++) {
        const process = Math.floor(random() * 3);
        const dice = random();
        const open = [...world.open];
        if (dice < 0.25) world.connect(process);
        else if (dice < 0.35 && open.length > 0) world.close(open[Math.floor(random() * open.length)]!);
        else if (dice < 0.55) world.take(process);
        else if (dice < 0.75) world.append(process);
        else if (world.network.length > 0) world.deliver(Math.floor(random() * world.network.length));
      }
      world.connect(0);
      const open = new Set(world.open);
      rest(world, random);
      const places = [...world.stamps].filter(([tab]) => open.has(tab));
      expect([...world.open], `seed ${seed}`).toEqual([newestOf(places)]);
    }
  });
});

describe("a process", () => {
  const tab = (name: string): Tab => ({ process: 0, name });

  it("ends its older socket at once, and keeps the order of connects in one record", () => {
    const core = new OnlyOne<Tab>(1);
    const [a, b] = [tab("a"), tab("b")];
    expect(core.connected(CONTEST, 0, a)).toEqual([]);
    expect(core.connected(CONTEST, 0, b)).toEqual([a]);
    core.taken(0);
    expect(core.appended(0, "5-1")).toEqual({
      ended: [],
      announced: [{ contest: CONTEST, record: "5-1", n: 2 }],
    });
  });

  it("decides about a socket without a place when it has one", () => {
    const core = new OnlyOne<Tab>(1);
    const a = tab("a");
    core.connected(CONTEST, 0, a);
    core.taken(0);
    expect(core.heard({ contest: CONTEST, record: "7-0", n: 1 })).toEqual({ ended: [], announced: [] });
    expect(core.appended(0, "6-9")).toEqual({ ended: [a], announced: [] });
  });

  it("answers an announcement that is older than its socket", () => {
    const core = new OnlyOne<Tab>(1);
    core.connected(CONTEST, 0, tab("a"));
    core.taken(0);
    core.appended(0, "10-0");
    expect(core.heard({ contest: CONTEST, record: "9-5", n: 8 })).toEqual({
      ended: [],
      announced: [{ contest: CONTEST, record: "10-0", n: 1 }],
    });
    expect(core.heard({ contest: "/chat,alice", record: "11-0", n: 1 })).toEqual({
      ended: [],
      announced: [],
    });
  });

  it("gives a socket that connects while a record is on its way the place of the next one", () => {
    const core = new OnlyOne<Tab>(1);
    core.taken(0);
    core.connected(CONTEST, 0, tab("late"));
    expect(core.appended(0, "1-0").announced).toEqual([]);
    core.taken(0);
    expect(core.appended(0, "2-0").announced).toMatchObject([{ record: "2-0" }]);
  });

  it("keeps nothing of sockets that have gone, however long nothing is appended", () => {
    const core = new OnlyOne<Tab>(2);
    for (let i = 0; i < 1_000; i++) {
      const one = tab(`${i}`);
      core.connected(`/,u${i}`, i % 2, one);
      if (i % 3 === 0) core.taken(i % 2);
      core.left(one);
    }
    expect([core.size, [...core.contests]]).toEqual([0, []]);
    expect(core.appended(0, "1-0")).toEqual({ ended: [], announced: [] });
  });
});

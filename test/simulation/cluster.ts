/**
 * All participants of one history, and what the events of its plan do to them.
 */
import { type Fault, type FaultCounts, Violation } from "./faults.ts";
import type { ReadMode } from "../../src/projector/options.ts";
import { LISTS, type RecordEntry, SCOPE_LISTS } from "../../src/core/record.ts";
import { Host } from "./host.ts";
import { Link } from "./link.ts";
import { Node } from "./node.ts";
import { TELLS, TRACKS } from "./rooms.ts";
import { NEXT, OURS } from "./next-version.ts";
import type { Plan, Planned } from "./plan.ts";
import { Loop, sweepEvery } from "./projectors.ts";
import { at, Random } from "../../rig/random.ts";
import { Recorder } from "./recorder.ts";
import { RedisStrikes } from "./redis-strikes.ts";
import type { Server } from "./server.ts";
import { SubscriberProcess } from "./subscribers.ts";
import { Told } from "./told.ts";
import type { World } from "./world.ts";

/** As src/presence/presence.ts: a longer silence than this is a lost connection, ms. */
const SILENCE_MS = 5_000;
const CLOSE_MS = 5_000;

const LISTED = [...LISTS, ...SCOPE_LISTS];

/** A process and its connection. */
interface Member {
  readonly host: Host;
  readonly link: Link;
}

export class Cluster {
  /** Every process that ever served users, the dead ones as well. */
  readonly nodes: Node[] = [];
  readonly injected: FaultCounts = new Map();
  readonly #world: World;
  readonly #server: Server;
  readonly #plan: Plan;
  readonly #random: Random;
  readonly #prefix: string;
  readonly #faults: Set<Fault>;
  readonly #members: Member[] = [];
  readonly #loops: (Member & { readonly loop: Loop })[] = [];
  /** Of who starts. */
  #protocol = OURS;
  #started = 0;
  #projectors = 0;
  readonly #strikes: RedisStrikes;
  readonly #subscribers: SubscriberProcess[] = [];
  #callers = 0;

  constructor(world: World, server: Server, plan: Plan, prefix: string) {
    this.#world = world;
    this.#server = server;
    this.#plan = plan;
    this.#prefix = prefix;
    this.#random = new Random(`${plan.seed}/cluster`);
    this.#faults = new Set(plan.faults);
    this.#strikes = new RedisStrikes(world, server, {
      breakLinks: () => this.#members.forEach(({ link }) => link.lose()),
      someone: (pick) => this.#someone(pick)?.recorder.journal,
    });
    for (const own of plan.subscribers)
      server.told.set(own.name, new Told(own, server.changes, () => world.now));
    for (const i of plan.nodes.keys()) this.#startNode(i);
    for (const told of server.told.values()) this.#startSubscribers(told);
    server.onChanges = () => {
      for (const { host, link, process } of this.#serving())
        if (!link.partitioned) host.after(5, () => process.ring());
    };
    for (const budget of plan.loops) this.#startLoop(budget);
    if (plan.sweepEvery > 0) {
      const member = this.#join("sweep");
      const random = this.#random.fork("sweep");
      member.host.start(() =>
        sweepEvery(plan.sweepEvery, { ...member, random, prefix, budget: 200, read: this.#read() }),
      );
    }
    server.onFolded = (record, ms) => this.#folded(record, ms);
    server.onAppend = () => {
      for (const { host, link, loop } of this.#loops) {
        // A tail that was cut off reads what it missed when it is back; that is when the partition is healed.
        if (!link.partitioned) host.after(5, () => loop.ring());
      }
    };
  }

  *#serving() {
    for (const process of this.#subscribers) yield { host: process.host, link: process.link, process };
  }

  /** Those that are no node. */
  #startSubscribers(told: Told): void {
    const { alone, deliverEvery } = told.plan;
    for (let i = 0; i < alone; i++) this.#startSubscriber(told);
    if (deliverEvery > 0) this.#startSubscriber(told, undefined, deliverEvery);
  }

  #startSubscriber(told: Told, node?: Host, every = 0): void {
    const name = `s${++this.#callers}`;
    const member = this.#join(name, node);
    const process = new SubscriberProcess({
      ...member,
      random: this.#random.fork(`${name}/subscriber`),
      prefix: this.#prefix,
      told,
      caller: `${name}@${member.host.name}`,
      isWild: () => !this.#strikes.over,
    });
    this.#subscribers.push(process);
    member.host.resume(() =>
      member.host.start(() => (every > 0 ? process.deliverEvery(every) : process.run())),
    );
  }

  #join(name: string, host = new Host(this.#world, name)): Member {
    const link = new Link({
      host,
      server: this.#server,
      random: this.#random.fork(name),
      faults: this.#faults,
      injected: this.injected,
      protocol: this.#protocol,
      timeout: Math.min(SILENCE_MS, this.#plan.ttl),
    });
    const member = { host, link };
    this.#members.push(member);
    return member;
  }

  #read(): ReadMode {
    const { reads } = this.#plan;
    return reads[this.#projectors++ % reads.length]!;
  }

  /** Like the node with this number in the plan; `project`: as it says, by default. */
  #startNode(like: number, project = this.#plan.nodes[like]!): void {
    const { ttl, grace, linger, tracks } = this.#plan;
    const member = this.#join(`n${++this.#started}`);
    const random = this.#random.fork(`${member.host.name}/recorder`);
    const recorder = new Recorder({
      ...member, random, prefix: this.#prefix, ttl, grace, linger, project, read: this.#read(),
      connections: () => node.sockets.length,
      tracks: tracks[like] === true ? TRACKS : undefined,
    }); // prettier-ignore
    const node = new Node({ ...member, recorder, tells: TELLS[like % 2]! });
    this.nodes.push(node);
    for (const told of this.#server.told.values())
      if (told.plan.nodes[like] === true) this.#startSubscriber(told, member.host);
    member.host.resume(() => recorder.start());
  }

  #startLoop(budget: number): void {
    const member = this.#join(`loop${this.#loops.length + 1}`);
    const random = this.#random.fork(`${member.host.name}/loop`);
    const loop = new Loop({ ...member, random, prefix: this.#prefix, budget, read: this.#read() });
    this.#loops.push({ ...member, loop });
    member.host.start(() => loop.run());
  }

  /** Lets one event of the plan happen. */
  async happen(event: Planned): Promise<void> {
    const { kind, pick, more } = event;
    switch (kind) {
      case "connect":
        return this.#do(event, this.#someone(pick), (node) => node.connect(more));
      case "disconnect":
      case "leave":
        return this.#do(event, this.#someone(pick), (node) => node.disconnect(more, kind));
      case "identify":
        return this.#do(event, this.#someone(pick), (node) => node.identify(more));
      case "storm":
        return this.#do(event, this.#someone(pick), (node) => node.storm(110 + Math.floor(more * 150)));
      case "join":
        return this.#do(event, this.#someone(pick), (node) => node.join(more));
      case "part":
        return this.#do(event, this.#someone(pick), (node) => node.part(more));
      case "roam":
        return this.#do(event, this.#someone(pick), (node) => node.roam(more));
      case "rush":
        this.#world.note(`rush for ${event.ms} ms`);
        this.#count(kind);
        return this.#rush(this.#world.now + event.ms, new Random(`${this.#plan.seed}/rush/${event.at}`));
      case "upgrade":
        this.#world.note("upgrade");
        this.#count(kind);
        return this.#upgrade(event);
      case "stop":
      case "crash":
        return this.#do(event, this.#someone(pick), (node) => {
          if (kind === "stop") node.close(CLOSE_MS);
          else node.crash();
          // A shorter absence than its lease is the rule after a crash.
          const start = () => {
            if (!this.#strikes.over) this.#startNode(at([...this.#plan.nodes.keys()], pick));
          };
          if (more < 0.7) this.#world.after(event.ms, start);
        });
      case "partition":
      case "stall":
        return this.#suffer(event, at(this.#members, pick));
      case "clock-back":
      case "clock-forward":
      case "failover":
      case "wipe":
      case "evict":
      case "scripts":
      case "refuse":
      case "trim":
      case "trim-changes":
      case "garbage":
        this.#count(kind);
        return this.#strikes.strike(kind, event);
      default:
        kind satisfies never;
    }
  }

  #someone(pick: number): Node | undefined {
    const open = this.nodes.filter((node) => node.open);
    return open.length === 0 ? undefined : at(open, pick);
  }

  #do({ kind, ms }: Planned, node: Node | undefined, act: (node: Node) => void): void {
    if (node === undefined) return;
    this.#world.note(`${node.host.name}: ${kind}${kind === "crash" ? `, ${ms} ms` : ""}`);
    this.#count(kind);
    act(node);
  }

  #upgrade({ more, ms }: Planned): void {
    if (this.#strikes.over || this.#protocol === NEXT) return;
    this.#protocol = NEXT;
    // Until a projector of its version folds, its first record is set aside.
    this.#startNode(0, more < 0.5);
    this.#world.after(ms, () => {
      if (!this.#strikes.over) this.#startLoop(450);
    });
  }

  /** Users of everybody come and go until then, each now and then as fast as a connection lets its process append. */
  #rush(until: number, random: Random): void {
    for (const node of this.nodes.filter(({ open }) => open)) {
      if (random.chance(0.5)) node.connect(random.next());
      else node.disconnect(random.next(), random.chance(0.5) ? "leave" : "disconnect");
    }
    if (this.#world.now < until && !this.#strikes.over)
      this.#world.after(random.int(2, 14), () => this.#rush(until, random));
  }

  /** A record was folded, `ms` after it was appended. A heartbeat without news may wait for a deadline. */
  #folded(record: RecordEntry, ms: number): void {
    const { waitMax = Infinity } = this.#plan;
    const { process } = record;
    if (record.connections === undefined && LISTED.every((name) => record[name] === undefined)) return;
    const node = this.nodes.find(({ host }) => process.startsWith(`${host.name}.`));
    if (ms > waitMax && node?.host.alive === true)
      throw new Violation(
        "pace",
        `a record of ${process} was folded after ${ms} ms, ${waitMax} is the longest`,
      );
  }

  #suffer({ kind, ms }: Planned, { host, link }: Member): void {
    this.#world.note(`${host.name}: ${kind} for ${ms} ms`);
    this.#count(kind);
    if (kind === "stall") {
      host.stall();
      this.#world.after(ms, () => host.goOn());
    } else {
      link.partitioned = true;
      this.#world.after(ms, () => this.#heal(link));
    }
  }

  #heal(link: Link): void {
    link.partitioned = false;
    for (const { host, link: own, loop } of this.#loops) if (own === link) host.resume(() => loop.ring());
  }

  #count(kind: Planned["kind"]): void {
    if (this.#plan.faults.has(kind as Fault))
      this.injected.set(kind as Fault, (this.injected.get(kind as Fault) ?? 0) + 1);
  }

  /** Faults end: from here on every live process can follow the protocol. */
  calm(): void {
    this.#world.note("faults end");
    this.#faults.clear();
    this.#strikes.end();
    for (const { host, link } of this.#members) {
      this.#heal(link);
      host.goOn();
    }
    // The last who projected may be dead, and no invariant holds without one.
    const projects = this.#loops.length > 0 || this.#plan.sweepEvery > 0;
    if (this.#protocol === NEXT) this.#startLoop(2000);
    else if (!projects && !this.nodes.some((node) => node.open && node.recorder.projects))
      this.#startLoop(2000);
  }

  /** Nobody does anything any more but those who only serve subscribers, of whom each has one. */
  freeze(): void {
    const told = new Set<Host>(this.#subscribers.map(({ host }) => host));
    for (const { host } of this.nodes) told.delete(host);
    for (const { host } of this.#members) if (!told.has(host)) host.stall();
    for (const own of this.#server.told.values()) this.#startSubscriber(own);
  }
}

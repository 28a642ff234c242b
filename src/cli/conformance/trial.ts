/** One running check: a recorder and a prefix of its own, and the counts its sockets should add up to. */
import { randomBytes } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { Cluster, type Seen } from "./cluster.ts";
import { type Proxy, startProxy } from "./proxy.ts";
import { RecorderProcess } from "./recorder.ts";
import { OpenScopes, TRACKS } from "./scopes.ts";

export interface TrialOptions {
  readonly command: readonly string[];
  readonly ttl: number;
  /** Whether records are signed, with a key that is made up. */
  readonly signed: boolean;
  readonly redis: string;
  readonly shards: number;
  /** ms. */
  readonly grace: number;
  /** With how many shards the prefix was opened before. */
  readonly opened?: number | undefined;
  /** Whether the recorder is asked to track scopes. */
  readonly scopes: boolean;
}

/** How long the recorder may take for anything, besides its lease, ms. */
const PATIENCE_MS = 5_000;
const POLL_MS = 20;
const PROJECT_MS = 20;

export class Trial {
  readonly cluster: Cluster;
  readonly proxy: Proxy;
  readonly recorder: RecorderProcess;
  readonly ttl: number;
  readonly grace: number;
  readonly patience: number;
  /** Open sockets and their users. */
  readonly #open = new Map<number, string | null>();
  readonly #inGrace = new Set<string>();
  #numbers = 0;
  #syncs = 0;
  /** Whether the recorder says that it calls the projector. */
  projects = false;
  /** Undefined: this trial is not about scopes. */
  readonly #scopes: OpenScopes | undefined;
  /** Whether the recorder says that it tracks scopes. */
  tracks = false;

  private constructor(cluster: Cluster, proxy: Proxy, { command, ttl, grace, scopes }: TrialOptions) {
    this.cluster = cluster;
    this.proxy = proxy;
    this.ttl = ttl;
    this.grace = grace;
    this.patience = PATIENCE_MS + 4 * ttl;
    this.recorder = new RecorderProcess(command);
    if (scopes) this.#scopes = new OpenScopes(this.#open, grace > 0);
  }

  static async start(options: TrialOptions, projecting: boolean): Promise<Trial> {
    const { redis, ttl, shards, grace, signed, opened, scopes } = options;
    const prefix = `conformance-${randomBytes(6).toString("hex")}`;
    const recordKeys = signed ? [randomBytes(32).toString("hex")] : undefined;
    const cluster = await Cluster.open(redis, prefix, shards, recordKeys);
    const proxy = await startProxy(redis);
    const trial = new Trial(cluster, proxy, options);
    try {
      if (opened !== undefined) await cluster.openWith(opened);
      const heartbeat = Math.floor(ttl / 3);
      const tracks = scopes ? TRACKS : undefined;
      const open = { redis: proxy.url, prefix, ttl, heartbeat, grace, shards, recordKeys, tracks };
      trial.recorder.send({ open });
      const line = await trial.recorder.hear(
        '{"ready":{}}',
        ({ ready, error }) => ready !== undefined || (opened !== undefined && error !== undefined),
        trial.patience,
      );
      trial.projects = line.ready?.projects === true;
      trial.tracks = line.ready?.tracks === true;
      if (projecting) cluster.project(PROJECT_MS);
      return trial;
    } catch (error) {
      await trial.end();
      throw error;
    }
  }

  /** null: anonymous. Returns the socket. */
  connect(user: string | null): number {
    const socket = ++this.#numbers;
    this.#open.set(socket, user);
    if (user !== null) this.#inGrace.delete(user);
    this.recorder.send({ connect: user, socket });
    return socket;
  }

  disconnect(socket: number, how: "disconnect" | "leave" = "disconnect"): void {
    const user = this.#open.get(socket);
    this.#scopes?.disconnect(socket, how === "disconnect");
    this.#open.delete(socket);
    if (typeof user === "string" && ![...this.#open.values()].includes(user)) {
      if (how === "disconnect" && this.grace > 0) this.#inGrace.add(user);
      else {
        this.#inGrace.delete(user);
        this.#scopes?.left(user);
      }
    }
    this.recorder.send({ disconnect: socket, how });
  }

  /** An open socket is in this scope now. */
  join(socket: number, scope: string): void {
    this.#scopes!.join(socket, scope);
    this.recorder.send({ join: scope, socket });
  }

  /** It has left the scope and stays open. */
  part(socket: number, scope: string): void {
    this.#scopes!.part(socket, scope);
    this.recorder.send({ part: scope, socket });
  }

  /** Ends the recorder without a word: its sockets go with its lease. */
  kill(): void {
    this.recorder.signal("SIGKILL");
    for (const socket of this.#open.keys()) this.#scopes?.disconnect(socket, false);
    this.#open.clear();
  }

  /** Resolves once everything given before is in the log. */
  async sync(): Promise<void> {
    const sync = ++this.#syncs;
    this.recorder.send({ sync });
    await this.recorder.hear(`{"synced":${sync}}`, ({ synced }) => synced === sync, this.patience);
  }

  /** Closes the server; all departures must be in the log when it resolves. */
  async close(): Promise<void> {
    this.recorder.send({ close: true });
    for (const user of this.#open.values()) if (user !== null && this.grace > 0) this.#inGrace.add(user);
    for (const socket of this.#open.keys()) this.#scopes?.disconnect(socket, true);
    this.#open.clear();
    await this.recorder.hear('{"closed":true}', ({ closed }) => closed === true, this.patience);
  }

  /** Waits until the counts equal the open sockets. Rejects with the difference. */
  async exact(): Promise<Seen> {
    const users: Record<string, number> = Object.create(null) as Record<string, number>;
    for (const user of this.#inGrace) users[user] = 0;
    for (const user of this.#open.values()) if (user !== null) users[user] = (users[user] ?? 0) + 1;
    const scopes = this.#scopes;
    return this.until(async (seen) => {
      const wrong = differences(seen, users, this.#open.size);
      if (wrong.length === 0 && scopes !== undefined)
        wrong.push(...scopes.differences(await this.cluster.scopes()));
      if (wrong.length > NAMED) wrong.splice(NAMED, Infinity, `and ${wrong.length - NAMED} more`);
      return wrong.length === 0 ? undefined : wrong.join("; ");
    });
  }

  /** Waits until `problem` returns undefined. Rejects with its last result. */
  async until(problem: (seen: Seen) => string | undefined | Promise<string | undefined>): Promise<Seen> {
    const until = performance.now() + this.patience;
    for (;;) {
      const seen = await this.cluster.see();
      const last = await problem(seen);
      if (last === undefined) return seen;
      if (this.recorder.errors.length > 0)
        throw new Error(`the recorder reported an error: ${this.recorder.errors[0]}`);
      if (performance.now() > until) {
        const reasons = [...new Set(await this.cluster.reasons())];
        throw new Error(reasons.length === 0 ? last : `${last}; set aside: ${reasons.join("; ")}`);
      }
      await delay(POLL_MS);
    }
  }

  async end(): Promise<void> {
    this.recorder.signal("SIGCONT");
    this.recorder.signal("SIGKILL");
    this.proxy.close();
    await this.cluster.close();
  }
}

/** Most differences listed in a reason. */
const NAMED = 3;

function differences(seen: Seen, users: Record<string, number>, sockets: number): string[] {
  const wrong: string[] = [];
  const has = (of: number | undefined) => (of === undefined ? "absent" : of === 0 ? "in grace" : String(of));
  for (const user of new Set([...Object.keys(users), ...Object.keys(seen.users)])) {
    if (users[user] === seen.users[user]) continue;
    wrong.push(`${JSON.stringify(user)} is ${has(seen.users[user])}, not ${has(users[user])}`);
  }
  if (seen.sockets !== sockets) wrong.unshift(`${seen.sockets} sockets are counted, ${sockets} are open`);
  return wrong;
}

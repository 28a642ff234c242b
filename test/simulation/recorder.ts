/**
 * The recorder itself (src/recorder/recorder.ts), on the clock, the connection and the random numbers of the simulation.
 */
import { PresenceError } from "../../src/core/errors.ts";
import type { Departure, Journal } from "../../src/core/journal.ts";
import type { ReadMode } from "../../src/projector/options.ts";
import { resolveRecorderOptions } from "../../src/recorder/options.ts";
import { Recorder as Real } from "../../src/recorder/recorder.ts";
import { ReplyError } from "../../src/redis/port.ts";
import { type Host, runtimeOf } from "./host.ts";
import type { Link } from "./link.ts";
import type { Random } from "../../rig/random.ts";

export interface RecorderOptions {
  readonly host: Host;
  readonly link: Link;
  readonly random: Random;
  readonly prefix: string;
  readonly ttl: number;
  readonly grace: number;
  readonly linger: number;
  readonly project: boolean;
  readonly read: ReadMode;
  readonly connections: () => number;
  /** The scopes it tracks, as patterns; undefined: none, as a version without rooms. */
  readonly tracks: readonly string[] | undefined;
}

/** Anything but an answer that Redis gave or did not give is a bug of ours, and ends the history. */
export function mustBeRedis(error: unknown): void {
  // In an upgrade: ours has to wait for others to fold.
  if (error instanceof PresenceError && error.code === "VERSION_MISMATCH") return;
  const isOfRedis = error instanceof PresenceError && error.code === "REDIS_UNAVAILABLE";
  const { cause } = error as { cause?: unknown };
  const isExpected = cause === undefined || cause instanceof ReplyError || cause instanceof PresenceError;
  if (!isOfRedis || !isExpected) throw error;
}

export class Recorder {
  readonly projects: boolean;
  /** Whether it tracks scopes. */
  readonly tracks: boolean;
  readonly #options: RecorderOptions;
  #real: Real | undefined;

  constructor(options: RecorderOptions) {
    this.#options = options;
    this.projects = options.project;
    this.tracks = options.tracks !== undefined;
  }

  /** Begins to record; the rest follows from what happens. */
  start(): void {
    const { host, link, random, connections, tracks, ...options } = this.#options;
    const { world } = host;
    let incarnations = 0;
    const note = (text: string) => world.note(`${host.name}: ${text}`);
    this.#real = new Real({
      connection: {
        port: link,
        ready: () => link.ready(),
        get reconnectedAt() {
          return link.reconnectedAt;
        },
        set onReconnect(then: (() => void) | undefined) {
          link.onReconnect = then ?? (() => {});
        },
      },
      options: resolveRecorderOptions({ ...options, logger: { info: note, warn: note, error: note } }),
      connections,
      tracks,
      onError(error) {
        try {
          mustBeRedis(error);
        } catch (bug) {
          world.fail(bug);
        }
      },
      runtime: runtimeOf(host, random),
      newId: () => `${host.name}.${++incarnations}`,
    });
  }

  get journal(): Journal {
    return this.#real!.journals[0]!;
  }

  get size(): number {
    return this.#real!.size;
  }

  connect(user: string): void {
    this.#options.host.world.stir();
    this.#real!.connect(user);
  }

  disconnect(user: string, departure: Departure): void {
    this.#options.host.world.stir();
    this.#real!.disconnect(user, departure);
  }

  join(scope: string, user: string): void {
    this.#options.host.world.stir();
    this.#real!.join(scope, user);
  }

  part(scope: string, user: string, departure: Departure): void {
    this.#options.host.world.stir();
    this.#real!.part(scope, user, departure);
  }

  /** Says goodbye if it can. */
  close(timeout: number): void {
    this.#options.host.world.stir();
    void this.#real!.close(timeout);
  }
}

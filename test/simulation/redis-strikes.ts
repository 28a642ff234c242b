/**
 * What happens to Redis itself, as the plan says.
 */
import type { Journal } from "../../src/core/journal.ts";
import type { RedisFault } from "./faults.ts";
import type { Planned } from "./plan.ts";
import { at } from "../../rig/random.ts";
import type { Part, Refusal } from "./request.ts";
import type { Server } from "./server.ts";
import type { World } from "./world.ts";

export interface Surroundings {
  /** All connections to Redis break. */
  readonly breakLinks: () => void;
  /** The journal of a process that runs. */
  readonly someone: (pick: number) => Journal | undefined;
}

const REFUSALS: readonly Refusal[] = ["OOM", "READONLY", "LOADING"];
/** How far a replica may be behind, ms. */
const BEHIND_MS_MAX = 4_000;

export class RedisStrikes {
  readonly #world: World;
  readonly #server: Server;
  readonly #surroundings: Surroundings;
  #over = false;

  constructor(world: World, server: Server, surroundings: Surroundings) {
    this.#world = world;
    this.#server = server;
    this.#surroundings = surroundings;
  }

  /** From here on nothing happens any more, not even what had begun. */
  end(): void {
    this.#over = true;
    this.#server.refusal = undefined;
  }

  get over(): boolean {
    return this.#over;
  }

  async strike(kind: RedisFault, { pick, more, ms }: Planned): Promise<void> {
    const server = this.#server;
    const world = this.#world;
    world.note(`redis: ${kind}${kind.startsWith("clock") || kind === "refuse" ? ` ${ms} ms` : ""}`);
    switch (kind) {
      case "clock-back":
        return server.jump(-ms);
      case "clock-forward":
        return server.jump(ms);
      case "failover":
        // From now on the replica receives nothing, and later it takes over.
        await server.replicate();
        return world.after(Math.min(ms, BEHIND_MS_MAX), () => this.#takeOver());
      case "wipe":
        await server.wipe();
        // FLUSHALL, or a restart with nothing on disk.
        if (pick < 0.5) this.#restart();
        return undefined;
      case "evict":
        world.note(`redis: evicts ${await server.evict(pick, more)}`);
        return undefined;
      case "scripts":
        return server.forgetScripts();
      case "refuse":
        server.refusal = at(REFUSALS, pick);
        return world.after(ms, () => {
          server.refusal = undefined;
        });
      case "trim":
        await server.trim(more);
        return undefined;
      case "trim-changes":
        await server.trimChanges(more);
        return undefined;
      case "garbage":
        await server.run([this.#garbage(pick, more)]);
        return undefined;
      default:
        return kind satisfies never;
    }
  }

  async #takeOver(): Promise<void> {
    if (this.#over) return;
    this.#world.note("redis: the replica takes over");
    await this.#server.failover();
    this.#restart();
  }

  #restart(): void {
    this.#server.forgetScripts();
    this.#surroundings.breakLinks();
  }

  /** No record at all, or one in the name of a process that its check digit, or a count below zero, gives away. */
  #garbage(pick: number, more: number): Part {
    const journal = this.#surroundings.someone(pick);
    if (journal === undefined || more < 0.4) return { noise: ["process", "", "seq", "1"] };
    const { process, seq } = journal;
    // Of who was never there.
    if (more < 0.5)
      return {
        process,
        seq: seq + 1,
        ttl: 1000,
        sockets: journal.sockets,
        part: [["/", "nobody"]],
        memberships: 0,
      };
    const op = more < 0.75 ? "connect" : "disconnect";
    return { process, seq: seq + 1, ttl: 1000, [op]: ["nobody"], sockets: 1000 };
  }
}

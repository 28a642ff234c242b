/** A Redis with a user for each role, and all that a role has sent. */
import { Redis } from "ioredis";
import { type RedisServer, startRedis } from "../../../packages/local-redis/src/index.ts";
import { until } from "../../../rig/until.ts";
import { type AclOptions, aclRules, type AclVersion, type Role } from "../../../src/core/access.ts";

export const PREFIX = "acl-test";
const PASSWORD = "a-password-for-this-test";

/** The form of rules that this server takes. */
export async function versionOf(redis: Redis): Promise<AclVersion> {
  const [, major = "", minor = ""] = /redis_version:(\d+)\.(\d+)/.exec(await redis.info("server"))!;
  if (Number(major) < 7) return "6.2";
  return Number(major) === 7 && Number(minor) < 2 ? "7.0" : "7.2";
}

export interface Guarded extends AsyncDisposable {
  readonly server: RedisServer;
  /** May do everything. */
  readonly admin: Redis;
  readonly redis: AclVersion;
  /** Makes the user of a role and returns a URL for it. `change`: rules after those of the role. */
  readonly as: (role: Role, options?: Partial<AclOptions>, change?: readonly string[]) => Promise<string>;
  /** What was refused since the last call: the log of the ACLs. */
  readonly denied: () => Promise<string[]>;
  /** All commands that others than those connected now send from now on, and what their scripts call. */
  readonly watch: () => Promise<Watch>;
}

export interface Watch {
  /** Upper case; subcommands of container commands as `CLIENT|SETNAME`. */
  readonly end: () => Promise<Set<string>>;
}

const CONTAINERS = new Set(["CLIENT", "CLUSTER", "SCRIPT", "ACL", "CONFIG", "MEMORY"]);

export async function startGuarded(): Promise<Guarded> {
  const server = await startRedis();
  const admin = new Redis(server.url);
  const redis = await versionOf(admin);
  const monitors = new Set<Redis>();
  return {
    server,
    admin,
    redis,
    async as(role, options = {}, change = []) {
      const rules = aclRules({ prefix: PREFIX, role, redis, ...options });
      await admin.call("ACL", "SETUSER", role, ...rules, `>${PASSWORD}`, ...change);
      return server.url.replace("redis://", `redis://${role}:${PASSWORD}@`);
    },
    async denied() {
      const entries = (await admin.call("ACL", "LOG")) as unknown[][];
      await admin.call("ACL", "LOG", "RESET");
      return entries.map((entry) => `${String(entry[3])} ${String(entry[7])}`);
    },
    async watch() {
      const known = new Set(
        [...String(await admin.client("LIST")).matchAll(/ addr=(\S+)/g)].map(([, address]) => address),
      );
      const monitor = await admin.duplicate().monitor();
      monitors.add(monitor);
      const seen = new Set<string>();
      let isTheirs = false;
      let isOver = false;
      monitor.on("monitor", (_time: string, [name = "", first = ""]: string[], source: string) => {
        if (first === "the end") isOver = true;
        // What a script calls comes after the call.
        if (source !== "lua") isTheirs = !known.has(source);
        const command = name.toUpperCase();
        if (isTheirs) seen.add(CONTAINERS.has(command) ? `${command}|${first.toUpperCase()}` : command);
      });
      return {
        async end() {
          await admin.call("ECHO", "the end");
          await until("the monitor has seen all", () => isOver);
          monitor.disconnect();
          monitors.delete(monitor);
          return seen;
        },
      };
    },
    async [Symbol.asyncDispose]() {
      for (const monitor of monitors) monitor.disconnect();
      admin.disconnect();
      await server.stop();
    },
  };
}

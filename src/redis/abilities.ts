/** Whether a server can do what Rollcall needs. It is asked for a command, not for its name: other servers speak the protocol too. */
import { PresenceError } from "../core/errors.ts";
import type { IoRedis } from "./ioredis.ts";

const NEEDED = "6.2";
/** The newest command that Rollcall sends. Without arguments a server that has it says only that, to a user who may not run it too. */
const NEWEST = "ZMSCORE";

/**
 * Rejects with REDIS_TOO_OLD, or OPTIONS_INVALID for a Sentinel and for a version of ioredis that cannot give up a dead connection.
 * Anything else that goes wrong is left to the commands that follow.
 */
export async function checkAbilities(client: IoRedis): Promise<void> {
  const server = client.nodes?.("master")[0] ?? client;
  // Not on a Cluster, only on its nodes.
  if (!("setSocketTimeout" in server)) {
    throw new PresenceError(
      "OPTIONS_INVALID",
      "redis must be a client of ioredis 5.4 or later: an older one never gives up a connection whose server is gone",
    );
  }
  const said = await server.call(NEWEST).then(String, (error: unknown) => String(error));
  if (!/unknown command/i.test(said)) return;
  const info = await server.call("INFO", "server").then(String, () => "");
  if (/^redis_mode:sentinel\r?$/m.test(info)) {
    throw new PresenceError(
      "OPTIONS_INVALID",
      "redis is the address of a Sentinel, which stores nothing: pass { sentinels: [{ host, port }], name } of ioredis",
    );
  }
  const version = /^redis_version:(.+?)\r?$/m.exec(info)?.[1] ?? "of an unknown version";
  throw new PresenceError(
    "REDIS_TOO_OLD",
    `this Redis is ${version}, and Rollcall needs ${NEEDED} or later: it has no ${NEWEST}`,
  );
}

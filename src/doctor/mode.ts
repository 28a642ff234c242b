import { type ServerFacts, valueOf } from "./facts.ts";

/** `standalone`, `cluster` or `sentinel`; undefined: it does not say. */
export function modeOf(server: ServerFacts | undefined): string | undefined {
  if (server === undefined) return undefined;
  const info = valueOf(server.info);
  if (info === undefined) return undefined;
  if (info.get("cluster_enabled") === "1") return "cluster";
  return info.get("redis_mode") ?? info.get("server_mode");
}

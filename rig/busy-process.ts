/**
 * A busy recorder (busy.ts) as a process of its own, to be killed and stopped. Messages over IPC: out `"ready"` and, when asked to
 * rest, the users who are here; in `"load"`, `"rest"`.
 */
import { Cluster } from "ioredis";
import { Busy, type BusyOptions } from "./busy.ts";

const { nodes, ...options } = JSON.parse(process.env["BUSY_OPTIONS"]!) as Omit<BusyOptions, "redis"> & {
  readonly nodes: { host: string; port: number }[];
};
const client = new Cluster(nodes);
client.on("error", () => {});
const busy = new Busy(`child${process.pid}`, { ...options, redis: client });
process.on("message", (message) => {
  if (message === "load") return busy.load();
  busy.rest();
  process.send!(busy.users);
});
process.on("disconnect", () => process.exit(0));
await busy.ready();
process.send!("ready");

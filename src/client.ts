/** The entry point `rollcall/client`. */
export * from "./client/client.ts";
export { live, type LiveOptions, type LiveState } from "./client/live.ts";
export {
  type AnyCounts,
  liveCounts,
  type LiveCountsOptions,
  type LiveCountsState,
} from "./client/live-counts.ts";
export type { LiveScope, LiveStaleness, LiveStatus } from "./client/ask.ts";
export type { Live } from "./client/store.ts";

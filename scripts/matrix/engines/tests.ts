/** The tests in which the engine's behaviour matters. */

export interface EngineTests {
  /** A folder or a file. */
  readonly path: string;
  /** Why these need servers of their own, and so cannot run against one that is already running. */
  readonly own?: string;
}

const configures = "it configures its servers or their users";
const stops = "it starts and stops servers";
const counts = "it counts what one server has been sent";

export const ENGINE_TESTS: readonly EngineTests[] = [
  { path: "test/unit/lua" },
  { path: "test/unit/redis/ports.test.ts" },
  { path: "test/unit/redis/decode.test.ts" },
  { path: "test/unit/redis/floor.test.ts" },
  { path: "test/unit/redis/eviction.test.ts", own: configures },
  { path: "test/unit/redis/managed.test.ts", own: configures },
  { path: "test/unit/redis/settings.test.ts", own: configures },
  { path: "test/unit/redis/unreachable.test.ts", own: configures },
  { path: "test/unit/redis/upstash-settings.test.ts", own: configures },
  { path: "test/unit/conformance/vectors.test.ts" },
  { path: "test/unit/conformance/access.test.ts", own: configures },
  { path: "test/unit/projector" },
  { path: "test/unit/follow" },
  { path: "test/unit/reader" },
  { path: "test/unit/presence" },
  { path: "test/unit/recorder/linger.test.ts" },
  { path: "test/unit/recorder/keys.test.ts" },
  { path: "test/unit/recorder/recorder.test.ts" },
  { path: "test/unit/recorder/turn.test.ts", own: counts },
  { path: "test/unit/recorder/refused.test.ts", own: configures },
  { path: "test/unit/recorder/socket-io.test.ts", own: stops },
  { path: "test/model" },
  { path: "test/hostile/log.test.ts" },
  { path: "test/hostile/forged.test.ts" },
  { path: "test/hostile/types.test.ts" },
  { path: "test/hostile/users.test.ts" },
  { path: "test/hostile/regressions.test.ts" },
  { path: "test/scenario/cluster.test.ts" },
  { path: "test/scenario/storm.test.ts" },
  { path: "test/scenario/conformance.test.ts" },
  { path: "test/scenario/mixed.test.ts" },
  { path: "test/scenario/outage.test.ts", own: stops },
  { path: "test/scenario/failover.test.ts", own: stops },
  { path: "test/scenario/redis-cluster.test.ts", own: stops },
  { path: "test/scenario/redis-sentinel.test.ts", own: stops },
  { path: "packages/upstash-bridge/test", own: "it is about the bridge, and starts servers" },
];

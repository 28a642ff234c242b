/** Exits with 0 if the server on the PATH is refused as too old to a reader and to a projector. */
import { strict as assert } from "node:assert";
import { startRedis } from "../../../packages/local-redis/src/index.ts";
import { createProjector, createReader } from "../../../src/index.ts";

await using server = await startRedis();
const reader = createReader({ redis: server.url });
await using projector = createProjector({ redis: server.url });
await assert.rejects(reader.counts(), { code: "REDIS_TOO_OLD" });
await assert.rejects(projector.run(), { code: "REDIS_TOO_OLD" });
reader.close();

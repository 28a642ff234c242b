/** Finds or downloads Redis once, before the test files start their own servers in parallel. */
import { findRedisBinary } from "../packages/local-redis/src/index.ts";

export default async function setup(): Promise<void> {
  await findRedisBinary();
}

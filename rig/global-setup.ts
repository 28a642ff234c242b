/** Finds or fetches Redis once, before the test files start servers of their own side by side. */
import { findRedisBinary } from "../packages/local-redis/src/index.ts";

export default async function setup(): Promise<void> {
  await findRedisBinary();
}

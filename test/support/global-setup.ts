/** Finds or fetches Redis once, before the test files start servers of their own side by side. */
import { findRedisBinary } from "../../src/local/redis.ts";

export default async function setup(): Promise<void> {
  await findRedisBinary();
}

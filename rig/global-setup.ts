/** Finds or downloads Redis once, before the test files start their own servers in parallel. */
import { findRedisBinary } from "../packages/local-redis/src/index.ts";

export default async function setup(): Promise<void> {
  const { version } = await findRedisBinary();
  const [name, number] = (process.env["ROLLCALL_TEST_ENGINE"] ?? "").split(" ");
  if (number !== undefined && !new RegExp(`^${name!} server v=${number} `, "i").test(version)) {
    throw new Error(`the tests would run on ${version}, not on ${name!} ${number}`);
  }
}

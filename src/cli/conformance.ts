/** `rollcall conformance -- <command>`: docs/conformance.md. */
import { type Call, EXIT, UsageError } from "./command.ts";
import { CHECKS } from "./conformance/checks.ts";
import { runChecks } from "./conformance/run.ts";
import { findRedis } from "./conformance/redis-server.ts";
import { Printer, safeLines } from "./print.ts";

export async function run(call: Call): Promise<number> {
  const { given, io } = call;
  const printer = new Printer(io);
  const only = given.list("only");
  const checks = CHECKS.filter(({ name }) => only.length === 0 || only.some((text) => name.includes(text)));
  if (given.on("list")) {
    for (const { name } of checks) {
      if (given.on("json")) printer.json({ name });
      else printer.line(name);
    }
    return EXIT.ok;
  }
  const command = given.positionals;
  if (command.length === 0) throw new UsageError("the command of the recorder is missing: put it after --");
  const json = given.on("json");
  let redis;
  try {
    redis = await findRedis(given.text("redis"));
  } catch (error) {
    throw new UsageError((error as Error).message, { cause: error });
  }
  try {
    let failed = 0;
    let ran = 0;
    const options = {
      command,
      ttl: given.number("ttl")!,
      atOnce: given.number("at-once")!,
      signed: given.on("signed"),
    };
    for await (const { name, ok, skipped, reason, ms } of runChecks(redis, checks, options)) {
      ran++;
      if (!ok) failed++;
      if (json) printer.json({ name, ok, skipped, reason, ms });
      else if (ok) printer.line(`ok ${ran} - ${name}${skipped === undefined ? "" : ` # skip ${skipped}`}`);
      else printer.line(`not ok ${ran} - ${name}\n  ${safeLines(reason!).replaceAll("\n", "\n  ")}`);
    }
    if (!json) printer.line(`1..${ran}\n# ${ran - failed} passed, ${failed} failed`);
    return failed === 0 && ran > 0 ? EXIT.ok : EXIT.no;
  } finally {
    await redis.stop();
  }
}

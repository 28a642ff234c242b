/** `rollcall verify`. */
import { type Call, EXIT, Interrupted } from "./command.ts";
import { type Field, Printer } from "./print.ts";
import { confirm, openProjector } from "./write.ts";

export async function run(call: Call): Promise<number> {
  const { given, io } = call;
  const printer = new Printer(io);
  const repair = given.on("repair");
  const { projector, where, close } = await openProjector(call);
  try {
    if (repair) await confirm(call, `correct what differs at ${where}`);
    const timeout = AbortSignal.timeout(given.number("timeout")!);
    printer.progress(`checking ${projector.shards} shard(s) of ${where} …`);
    const report = await projector
      .verify({ repair, signal: AbortSignal.any([timeout, io.signal]) })
      .finally(() => printer.progress(undefined));
    if (given.on("json")) printer.json(report);
    else {
      printer.table(
        [
          { title: "SHARD", isNumber: true },
          { title: "OF" },
          { title: "FOUND", isNumber: true },
          { title: "EXPECTED", isNumber: true },
          { title: "SCOPE" },
          { title: "NAME" },
        ],
        report.examples.map(({ shard, of, found, expected, scope = null, name }): readonly Field[] => [
          shard,
          of,
          found,
          expected,
          scope,
          name,
        ]),
      );
      const corrected = report.repaired && report.differences > 0 ? ", corrected" : "";
      printer.say(`${report.checked} users checked, ${report.differences} differences${corrected}`);
    }
    if (io.signal.aborted) throw new Interrupted();
    if (!report.complete) printer.say("rollcall verify: not finished in time: raise --timeout");
    if (report.busy > 0)
      printer.say(
        `rollcall verify: ${report.busy} shard(s) were too busy to compare sums: try again at a quieter time`,
      );
    const isGood = report.complete && report.busy === 0 && (report.differences === 0 || report.repaired);
    return isGood ? EXIT.ok : EXIT.no;
  } finally {
    await close();
  }
}

/** `rollcall sweep`. */
import { type Call, EXIT, Interrupted } from "./command.ts";
import { Printer } from "./print.ts";
import { openProjector } from "./write.ts";

export async function run(call: Call): Promise<number> {
  const { given, io } = call;
  const printer = new Printer(io);
  const { projector, close } = await openProjector(call, { trims: true });
  try {
    const budget = { requests: given.number("requests")!, ms: given.number("timeout")! };
    const summary = await projector.sweep({ budget, signal: io.signal });
    if (given.on("json")) printer.json(summary);
    else {
      const { left, due, ...numbers } = summary;
      printer.facts({
        ...numbers,
        // When the next lease, grace or retention ends.
        due: due === null || due === undefined ? null : new Date(due).toISOString(),
        leftRecords: left.records,
        leftShards: left.shards,
      });
      if (!summary.idle && printer.isTerminal) printer.say("rollcall sweep: work is left: run it again");
    }
    if (io.signal.aborted) throw new Interrupted();
    return summary.idle ? EXIT.ok : EXIT.no;
  } finally {
    await close();
  }
}

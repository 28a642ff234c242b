/** `rollcall check`: a plugin for Nagios, Icinga and what takes their plugins. One line, and an exit code. */
import { resolveKeyOptions } from "../core/key-options.ts";
import { judge, type Bounds } from "../doctor/plugin.ts";
import { type Call, UsageError } from "./command.ts";
import { loadDoctor, whereIs } from "./connecting.ts";
import { Printer, safe } from "./print.ts";

export async function run(call: Call): Promise<number> {
  const { given, io } = call;
  const where = whereIs(call);
  const { prefix } = resolveKeyOptions({ prefix: given.text("prefix") });
  const bounds: Bounds = {
    shards: given.number("shards"),
    warningLag: given.number("warning-lag")!,
    criticalLag: given.number("critical-lag")!,
    minProcesses: given.number("min-processes")!,
    maxRejected: given.number("max-rejected"),
  };
  if (bounds.warningLag > bounds.criticalLag)
    throw new UsageError(
      `--warning-lag (${bounds.warningLag}) must not be above --critical-lag (${bounds.criticalLag})`,
    );
  const { reach } = await loadDoctor();
  const { measure } = await import("../doctor/measure.ts");
  const { line, exit } = await judge(() => measure(reach, where, { prefix, shards: bounds.shards }), bounds);
  new Printer(io).line(safe(line));
  return exit;
}

/** `rollcall doctor`: what is wrong with a Redis and a prefix, and what to do. docs/operations.md, "Doctor". */
import type { Role } from "../core/access.ts";
import { PresenceError } from "../core/errors.ts";
import { resolveKeyOptions } from "../core/key-options.ts";
import { diagnose, unreachableVerdict } from "../doctor/diagnose.ts";
import type { Asked } from "../doctor/facts.ts";
import type { Where } from "../doctor/reach.ts";
import { isWell, type Level, LEVELS, type Verdict } from "../doctor/verdict.ts";
import { type Call, EXIT } from "./command.ts";
import { loadDoctor, whereIs } from "./connecting.ts";
import { Printer, safe } from "./print.ts";

export async function run(call: Call): Promise<number> {
  const { given, io } = call;
  const where = whereIs(call);
  const { prefix } = resolveKeyOptions({ prefix: given.text("prefix") });
  const asked: Asked = {
    prefix,
    shards: given.number("shards"),
    role: (given.text("role") ?? "projecting-server") as Role,
    isRoleNamed: given.text("role") !== undefined,
    cluster: given.on("cluster"),
    staleAfter: given.number("stale-after")!,
  };
  const { verdicts, exit } = await examine(where, asked);
  const printer = new Printer(io);
  const summary = summaryOf(verdicts);
  if (given.on("json")) printer.json({ well: exit === EXIT.ok, exit, prefix, summary, verdicts });
  else printer.line([...linesOf(verdicts, printer), "", summary].join("\n"));
  return exit;
}

async function examine(where: Where, asked: Asked): Promise<{ verdicts: readonly Verdict[]; exit: number }> {
  const { reach, gather } = await loadDoctor();
  let reached;
  try {
    reached = await reach(where);
    const verdicts = diagnose(await gather(reached, asked), reached.refused);
    return { verdicts, exit: isWell(verdicts) ? EXIT.ok : EXIT.no };
  } catch (error) {
    if (!(error instanceof PresenceError) || error.code === "INTERNAL") throw error;
    return { verdicts: [unreachableVerdict(error)], exit: EXIT.unreachable };
  } finally {
    reached?.close();
  }
}

const STYLES = { critical: "red", warning: "yellow", unknown: "dim", note: "bold", ok: "green" } as const;

/** `all well: 14 ok, 1 note`, `1 critical, 2 warnings, 12 ok`. */
function summaryOf(verdicts: readonly Verdict[]): string {
  const plural = (level: Level, n: number) =>
    n === 1 || !["warning", "note"].includes(level) ? level : `${level}s`;
  const parts = LEVELS.flatMap((level) => {
    const n = verdicts.filter((one) => one.level === level).length;
    return n === 0 ? [] : [`${n} ${plural(level, n)}`];
  });
  return `${isWell(verdicts) ? "all well: " : ""}${parts.join(", ")}`;
}

/** One verdict a line, its remedy below it. Both may name what a stranger has written to Redis, such as a process. */
function linesOf(verdicts: readonly Verdict[], printer: Printer): string[] {
  const widest = Math.max(...verdicts.map(({ check }) => check.length));
  return verdicts.flatMap(({ level, check, found, remedy }) => {
    const verdict = `${printer.style(STYLES[level], level.padEnd(8))}  ${check.padEnd(widest)}  ${safe(found)}`;
    return remedy === undefined ? [verdict] : [verdict, `${" ".repeat(widest + 12)}→ ${safe(remedy)}`];
  });
}

/** `rollcall doctor`: what is wrong with a Redis and a prefix, and what to do. docs/operations.md, "Doctor". */
import { parseArgs, styleText } from "node:util";
import { type Role, ROLES } from "../core/access.ts";
import { PresenceError } from "../core/errors.ts";
import { resolveKeyOptions } from "../core/key-options.ts";
import { SHARDS_MAX, STALE_AFTER_MS, STALE_AFTER_MS_MAX } from "../core/limits.ts";
import { oneOf } from "../core/options.ts";
import { diagnose, unreachableVerdict } from "../doctor/diagnose.ts";
import type { Asked } from "../doctor/facts.ts";
import type { Where } from "../doctor/reach.ts";
import { isWell, type Level, LEVELS, type Verdict } from "../doctor/verdict.ts";
import { CONNECTING, loadDoctor, numberOf, TIMEOUT_MS, useError, whereOf } from "./connecting.ts";
import { STANDARD, type Surroundings } from "./print.ts";

export const DOCTOR_HELP = `rollcall doctor [options]

Looks at a Redis and the presence in it, and says what is wrong and what to do about it. It only reads.

  --redis <url>       redis:// or rediss:// (REDIS_URL; else UPSTASH_REDIS_REST_URL and UPSTASH_REDIS_REST_TOKEN)
  --prefix <prefix>   (presence)
  --shards <n>        the number your servers have (as many as Redis says)
  --cluster           it is a Redis Cluster
  --role <role>       what the Redis user of the URL is for (projecting-server): ${ROLES.join(", ")}
  --stale-after <ms>  how long work may wait for a projector (${STALE_AFTER_MS})
  --timeout <ms>      how long to wait for Redis (${TIMEOUT_MS})
  --json              print one JSON object

Exit codes: 0, all is well, notes aside; 1, there is something to do; 2, the command line is wrong; 3, Redis was not reached.`;

const OPTIONS = {
  ...CONNECTING,
  role: { type: "string" },
  "stale-after": { type: "string" },
  json: { type: "boolean", default: false },
} as const;

interface Given {
  readonly where: Where;
  readonly asked: Asked;
  readonly json: boolean;
}

export async function doctor(
  args: readonly string[],
  { print, complain, env }: Surroundings = STANDARD,
): Promise<number> {
  const given = read(args, env);
  if (typeof given === "string") {
    complain(`rollcall doctor: ${given}\n\n${DOCTOR_HELP}`);
    return 2;
  }
  const loaded = await loadDoctor();
  if (loaded === undefined) {
    complain("rollcall doctor: it needs ioredis, or @upstash/redis for a REST API: npm i ioredis");
    return 2;
  }
  const { verdicts, exit } = await examine(loaded, given);
  print(given.json ? jsonOf(verdicts, exit, given) : shown(verdicts, process.stdout));
  return exit;
}

type Loaded = NonNullable<Awaited<ReturnType<typeof loadDoctor>>>;

async function examine({ reach, gather }: Loaded, { where, asked }: Given): Promise<{ verdicts: readonly Verdict[]; exit: number }> {
  let reached;
  try {
    reached = await reach(where);
    const verdicts = diagnose(await gather(reached, asked), reached.refused);
    return { verdicts, exit: isWell(verdicts) ? 0 : 1 };
  } catch (error) {
    if (!(error instanceof PresenceError) || error.code === "INTERNAL") throw error;
    return { verdicts: [unreachableVerdict(error)], exit: 3 };
  } finally {
    reached?.close();
  }
} // prettier-ignore

/** Text: what is wrong. */
function read(args: readonly string[], env: Surroundings["env"]): Given | string {
  try {
    const { values } = parseArgs({ args: [...args], options: OPTIONS });
    const shards = numberOf("shards", values.shards, 1, SHARDS_MAX);
    const { prefix } = resolveKeyOptions({ prefix: values.prefix });
    const asked: Asked = {
      prefix,
      shards,
      role: oneOf("--role", values.role ?? "projecting-server", ROLES) satisfies Role,
      isRoleNamed: values.role !== undefined,
      cluster: values.cluster,
      staleAfter: numberOf("stale-after", values["stale-after"], 0, STALE_AFTER_MS_MAX) ?? STALE_AFTER_MS,
    };
    return { where: whereOf(values, env), asked, json: values.json };
  } catch (error) {
    if (error instanceof PresenceError) return error.message;
    const text = useError(error, Object.keys(OPTIONS));
    if (text === undefined) throw error;
    return text;
  }
}

function jsonOf(verdicts: readonly Verdict[], exit: number, { asked: { prefix } }: Given): string {
  return JSON.stringify({ well: exit === 0, exit, prefix, summary: summaryOf(verdicts), verdicts }, null, 2);
}

const COLOURS = { critical: "red", warning: "yellow", unknown: "magenta", note: "cyan", ok: "green" } as const; // prettier-ignore

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

/** One verdict a line, its remedy below it. Colours only on a terminal, and not with NO_COLOR: styleText sees to both. */
function shown(verdicts: readonly Verdict[], stream: NodeJS.WriteStream): string {
  const widest = Math.max(...verdicts.map(({ check }) => check.length));
  const lines = verdicts.flatMap(({ level, check, found, remedy }) => {
    const name = styleText(COLOURS[level], level.padEnd(8), { stream });
    const verdict = `${name}  ${check.padEnd(widest)}  ${found}`;
    return remedy === undefined ? [verdict] : [verdict, `${" ".repeat(widest + 12)}→ ${remedy}`];
  });
  return [...lines, "", summaryOf(verdicts)].join("\n");
}

/** `rollcall webhooks [NAME]`. */
import { keyOptionsFrom } from "../edge/environment.ts";
import type { DeadLetter, DeadLetters } from "../subscriber/letters.ts";
import { type Ask, asking } from "./ask.ts";
import { type Call, EXIT, UsageError } from "./command.ts";
import { readFrom } from "./environment.ts";
import { type Field, Printer } from "./print.ts";
import { openSource } from "./source.ts";
import { confirm, openWriter } from "./write.ts";

const PAGE = 1_000;

export async function run(call: Call): Promise<number> {
  const { given } = call;
  const [name] = given.positionals;
  if (name !== undefined) return lettersOf(call, name);
  if (given.list("retry").length > 0 || given.list("drop").length > 0)
    throw new UsageError("--retry and --drop need the name of a subscriber");
  return list(call);
}

async function list(call: Call): Promise<number> {
  const { given, io } = call;
  const printer = new Printer(io);
  const source = await openSource(call);
  try {
    const { subscribers } = await asking(call)(source.subscribers());
    if (given.on("json")) for (const one of subscribers) printer.json(one);
    else
      printer.table(
        [
          { title: "NAME" },
          { title: "DEAD", isNumber: true },
          { title: "BEHIND MS", isNumber: true },
          { title: "ATTEMPT", isNumber: true },
          { title: "RETRY AT" },
          { title: "HANDLED", isNumber: true },
          { title: "FAILED", isNumber: true },
          { title: "UNSERVED" },
          { title: "DISABLED" },
        ],
        subscribers.map((one): readonly Field[] => [
          one.name,
          one.deadLetters,
          one.behind,
          one.attempt,
          one.retryAt,
          one.handled,
          one.failed,
          one.stale,
          one.disabled,
        ]),
      );
    return EXIT.ok;
  } finally {
    source.close();
  }
}

async function lettersOf(call: Call, name: string): Promise<number> {
  const { given, io } = call;
  if (given.isOnLine("url"))
    throw new UsageError("dead letters are not available over HTTP: leave out --url");
  const printer = new Printer(io);
  const ask = asking(call);
  const [retry, drop] = [given.list("retry"), given.list("drop")];
  const { redis, where, environment } = await openWriter(call);
  const keys = readFrom(call, () => keyOptionsFrom(environment));
  const { createSubscriber } = await import("../subscriber/create.ts");
  const handle = (): never => {
    throw new Error("delivers nothing");
  };
  const options = { name, handle, ...keys, logger: false } as const;
  const subscriber =
    typeof redis === "string"
      ? createSubscriber({ redis, ...options })
      : { ...createSubscriber({ redis, ...options }), close: async () => {} };
  try {
    const { deadLetters } = subscriber;
    if (retry.length + drop.length === 0) return await show(printer, call, ask, deadLetters);
    if (drop.length > 0) await confirm(call, `delete ${drop.length} dead letter(s) of ${name} at ${where}`);
    let missing = 0;
    for (const [done, ids, act] of [
      ["retried", retry, (id: string) => deadLetters.retry(id)],
      ["dropped", drop, (id: string) => deadLetters.drop(id)],
    ] as const) {
      for (const id of ids) {
        const found = await ask(act(id));
        if (!found) missing++;
        if (given.on("json")) printer.json({ id, [done]: found });
        else printer.fields([found ? done : "not found", id]);
      }
    }
    return missing === 0 ? EXIT.ok : EXIT.no;
  } finally {
    await subscriber.close();
  }
}

async function show(printer: Printer, { given }: Call, ask: Ask, letters: DeadLetters): Promise<number> {
  let left = given.number("limit") ?? Infinity;
  const rows: (readonly Field[])[] = [];
  let after: string | undefined;
  do {
    const page = await ask(letters.list({ after, limit: Math.min(PAGE, left) }));
    left -= page.letters.length;
    for (const letter of page.letters) {
      if (given.on("json")) printer.json(letter);
      else rows.push(rowOf(letter));
    }
    after = page.next ?? undefined;
  } while (after !== undefined && left > 0);
  if (!given.on("json"))
    printer.table(
      [
        { title: "ID" },
        { title: "GIVEN UP" },
        { title: "TRIED", isNumber: true },
        { title: "EVENT" },
        { title: "USER" },
        { title: "ERROR" },
      ],
      rows,
    );
  return EXIT.ok;
}

function rowOf({ id, at, attempts, delivery, error }: DeadLetter): readonly Field[] {
  const user = "user" in delivery ? delivery.user : null;
  return [id, at.toISOString(), attempts, delivery.type, user, error];
}

/** `rollcall webhooks [NAME]`. */
import { keyOptionsFrom } from "../edge/environment.ts";
import type { DeadLetter, DeadLetters } from "../subscriber/letters.ts";
import { type Ask, asking } from "./ask.ts";
import { type Call, EXIT, UsageError } from "./command.ts";
import { readFrom } from "./environment.ts";
import { type Field, Printer, safe } from "./print.ts";
import { openSource } from "./source.ts";
import { span } from "./time.ts";
import { confirm, openWriter } from "./write.ts";

const PAGE = 1_000;
/** In place of an id. */
const ALL = "all";
const LETTER = /^\d+\.\d+-\d+$/;

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
          { title: printer.isTerminal ? "BEHIND" : "BEHIND MS", isNumber: true },
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
          printer.isTerminal ? span(one.behind) : one.behind,
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
    if (retry.length + drop.length === 0) {
      const shown = await show(printer, call, ask, deadLetters);
      if (shown > 0 || (await isKnown(call, ask, name))) return EXIT.ok;
      printer.say(`rollcall webhooks: there is no subscriber of the name ${safe(name)}`);
      return EXIT.no;
    }
    for (const id of [...retry, ...drop])
      if (id !== ALL && !LETTER.test(id))
        throw new UsageError(`an id must be as \`rollcall webhooks NAME\` prints it, or ${ALL}`);
    if (drop.length > 0)
      await confirm(
        call,
        `delete ${drop.includes(ALL) ? "every dead letter" : `${drop.length} dead letter(s)`} of ${name} at ${where}`,
      );
    let missing = 0;
    for (const [done, ids, act] of [
      ["retried", retry, (id: string) => deadLetters.retry(id)],
      ["dropped", drop, (id: string) => deadLetters.drop(id)],
    ] as const) {
      for await (const id of ids.includes(ALL) ? idsOf(ask, deadLetters) : ids) {
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

/** The dead letters that there are now. All are read first: those that fail again meanwhile would come a second time. */
async function* idsOf(ask: Ask, letters: DeadLetters): AsyncGenerator<string> {
  const ids: string[] = [];
  for await (const { id } of pagesOf(ask, letters, Infinity)) ids.push(id);
  yield* ids;
}

async function* pagesOf(ask: Ask, letters: DeadLetters, most: number): AsyncGenerator<DeadLetter> {
  let left = most;
  let after: string | undefined;
  do {
    const page = await ask(letters.list({ after, limit: Math.min(PAGE, left) }));
    left -= page.letters.length;
    yield* page.letters;
    after = page.next ?? undefined;
  } while (after !== undefined && left > 0);
}

/** Asks only where there are no dead letters, for those of one that is removed can still be looked at. */
async function isKnown(call: Call, ask: Ask, name: string): Promise<boolean> {
  const source = await openSource(call);
  try {
    return (await ask(source.subscribers())).subscribers.some((one) => one.name === name);
  } finally {
    source.close();
  }
}

/** Resolves with how many were shown. */
async function show(printer: Printer, { given }: Call, ask: Ask, letters: DeadLetters): Promise<number> {
  const rows: (readonly Field[])[] = [];
  let shown = 0;
  for await (const letter of pagesOf(ask, letters, given.number("limit") ?? Infinity)) {
    shown++;
    if (given.on("json")) printer.json(letter);
    else rows.push(rowOf(letter));
  }
  if (rows.length > 0)
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
  return shown;
}

function rowOf({ id, at, attempts, delivery, error }: DeadLetter): readonly Field[] {
  const user = "user" in delivery ? delivery.user : null;
  return [id, at.toISOString(), attempts, delivery.type, user, error];
}

/** `rollcall changes`. */
import type { Changes } from "../client/client.ts";
import { pause } from "../time/pause.ts";
import { asking } from "./ask.ts";
import { type Call, EXIT, Interrupted, UsageError } from "./command.ts";
import { failureOf, told } from "./failure.ts";
import { Printer } from "./print.ts";
import { openSource, placeIn, type ScopeSource } from "./source.ts";

/** What `rollcall changes` shows by itself, ms. */
const RECENT_MS = 15 * 60_000;
const PAGE = 1_000;

type Question = NonNullable<Parameters<ScopeSource["changes"]>[0]>;

export async function run(call: Call): Promise<number> {
  const { given, io } = call;
  const printer = new Printer(io);
  const ask = asking(call);
  const follows = given.on("follow");
  const to = given.time("to");
  const after = given.text("after");
  const from = given.time("from");
  if (after !== undefined && from !== undefined)
    throw new UsageError("--after and --from contradict each other");
  if (follows && to !== undefined) throw new UsageError("--follow and --to contradict each other");
  const source = await openSource(call);
  const place = placeIn(source, call);
  let at = after;
  let isComplete = true;
  let isShown = false;

  function show(answer: Changes): void {
    if (answer.gap) {
      isComplete = false;
      if (given.on("json")) printer.json({ gap: true, next: answer.next });
      printer.say(
        "rollcall changes: some changes are no longer kept, or were lost: compare with `rollcall users`",
      );
    }
    if (answer.exact === false && answer.since !== undefined && !isShown) {
      // Who asks for no time in particular gets what there is.
      isComplete = from === undefined;
      printer.say(`rollcall changes: changes are kept only since ${answer.since}`);
    }
    isShown = true;
    for (const { at: time, type, user, cause, id } of answer.changes) {
      if (given.on("json")) printer.json({ at: time, type, user, cause, id });
      else printer.fields([time, { text: type === "online" ? "+" : "-" }, user, cause]);
    }
  }

  const firstQuestion = (): Question => {
    if (after !== undefined) return { after };
    if (from !== undefined) return { from };
    return follows ? {} : { from: new Date(Date.now() - RECENT_MS) };
  };
  let question: Question = { ...firstQuestion(), ...(to !== undefined && { to }) };
  try {
    for (;;) {
      let answer: Changes | undefined;
      try {
        // `limit` of the API is for questions about a time.
        const isTimed = question.from !== undefined || to !== undefined;
        answer = await ask(place.changes({ ...question, ...(isTimed && { limit: PAGE }) }));
        show(answer);
        at = answer.next;
        question = { after: at, ...(to !== undefined && { to }) };
      } catch (error) {
        const failure = failureOf(error);
        // A follower that had an answer goes on from there.
        if (!follows || at === undefined || failure.code !== EXIT.unreachable) throw error;
        printer.say(told("rollcall changes", failure));
      }
      if (answer?.more === true) continue;
      if (!follows) return isComplete ? EXIT.ok : EXIT.no;
      await pause(given.number("interval")!, io.signal);
      if (io.signal.aborted) throw new Interrupted();
    }
  } finally {
    source.close();
    if (at !== undefined && at !== after) printer.say(`continue with --after ${at}`);
  }
}

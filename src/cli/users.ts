/** `rollcall users`. */
import { asking, each } from "./ask.ts";
import { type Call, EXIT, UsageError } from "./command.ts";
import { type Field, Printer } from "./print.ts";
import { openSource, placeIn } from "./source.ts";

/** Most users of a moment of the past that a reader lists. */
const PAST_MAX = 100_000;
/** How often the count is shown while nothing else is. */
const EVERY = 1_000;
/** Room for the sockets of a user, before the id, whose length is not known before all pages are read. */
const SOCKETS_WIDTH = 7;

export async function run(call: Call): Promise<number> {
  const { given, io } = call;
  const printer = new Printer(io);
  const ask = asking(call);
  const source = await openSource(call);
  const limit = given.number("limit") ?? Infinity;
  const at = given.time("at");
  try {
    const place = placeIn(source, call);
    if (at !== undefined) {
      if (at.getTime() > Date.now()) throw new UsageError("--at is in the future");
      const answer = await ask(place.usersAt(at, { max: PAST_MAX }));
      if (answer.users === null) {
        printer.say(`rollcall users: no answer for that time: changes are kept only since ${answer.since}`);
        return EXIT.no;
      }
      for (const id of answer.users.slice(0, limit)) {
        if (given.on("json")) printer.json({ id });
        else printer.fields([id]);
      }
      return EXIT.ok;
    }
    const show = given.on("json") ? (user: object) => printer.json(user) : rowsOf(printer);
    // What goes to the same terminal shows its own progress.
    const isSilent = printer.isTerminal;
    let count = 0;
    for await (const user of each(ask, place.users())) {
      if (count === limit) break;
      count++;
      show(user);
      if (!isSilent && count % EVERY === 0) printer.progress(`${count} users`);
    }
    if (!isSilent) printer.progress(undefined);
    return EXIT.ok;
  } finally {
    source.close();
  }
}

function rowsOf(printer: Printer): (user: { readonly id: string; readonly sockets: number }) => void {
  const row = (sockets: Field, id: string) => {
    if (printer.isTerminal) printer.aligned(SOCKETS_WIDTH, sockets, id);
    else printer.fields([sockets, id]);
  };
  if (printer.isTerminal) printer.heading(`${"SOCKETS".padStart(SOCKETS_WIDTH)}  USER`);
  return ({ id, sockets }) => row(sockets, id);
}

/** `rollcall history`. */
import type { HistoryStep } from "../core/steps.ts";
import { asking } from "./ask.ts";
import { type Call, EXIT } from "./command.ts";
import { type Field, Printer } from "./print.ts";
import { openSource, placeIn } from "./source.ts";

interface Measured {
  readonly last: number;
  readonly min: number;
  readonly max: number;
}

const numbersOf = (measured: Measured | null): readonly Field[] =>
  measured === null ? [null, null, null] : [measured.last, measured.min, measured.max];

export async function run(call: Call): Promise<number> {
  const { given, io } = call;
  const printer = new Printer(io);
  const source = await openSource(call);
  try {
    const answer = await asking(call)(
      placeIn(source, call).history({
        from: given.time("from"),
        to: given.time("to"),
        // Checked by the reader.
        step: given.text("step") as HistoryStep,
      }),
    );
    const { points } = answer;
    const known = points.filter(({ users }) => users !== null);
    // On a terminal an hour of nothing would push what there is off the screen.
    const shown = printer.isTerminal ? known : points;
    if (given.on("json")) for (const point of points) printer.json(point);
    else if (shown.length > 0)
      printer.table(
        [
          { title: "AT" },
          ...["USERS", "LEAST", "MOST", "SOCKETS", "LEAST", "MOST", "DISTINCT"].map((title) => ({
            title,
            isNumber: true as const,
          })),
        ],
        shown.map(({ at, users, sockets, distinct }) => [
          at,
          ...numbersOf(users),
          ...numbersOf(sockets),
          distinct,
        ]),
      );
    if (known.length === 0)
      printer.say(
        "rollcall history: there are no numbers of that time: servers keep them with the option `history`",
      );
    else if (shown.length < points.length)
      printer.say(
        `rollcall history: ${points.length - known.length} of ${points.length} steps have no numbers`,
      );
    if (answer.bounds) printer.say("least and most are bounds: there are several shards");
    return EXIT.ok;
  } finally {
    source.close();
  }
}

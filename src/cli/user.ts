/** `rollcall user ID`. */
import { asking } from "./ask.ts";
import { type Call, EXIT } from "./command.ts";
import { Printer, safe } from "./print.ts";
import { openSource, type Source } from "./source.ts";
import { span } from "./time.ts";

export async function run(call: Call): Promise<number> {
  const { given, io } = call;
  const printer = new Printer(io);
  const ask = asking(call);
  const source = await openSource(call);
  const [id = ""] = given.positionals;
  const [from, to] = [given.time("from"), given.time("to")];
  const wantsPast = from !== undefined || to !== undefined;
  try {
    const user = await ask(source.user(id));
    const past = wantsPast ? await sessionsOf(source, ask, id, from, to) : undefined;
    if (given.on("json")) printer.json({ ...user, ...past });
    else {
      const { online, sockets, processes } = user;
      const grace = online && sockets === 0 ? " (in grace)" : "";
      if (printer.isTerminal)
        printer.line(
          printer.style(
            online ? "green" : "dim",
            `${online ? "online" : "offline"}${grace}, ${safe(String(sockets))} sockets`,
          ),
        );
      else printer.fields(["user", id, online ? "online" : "offline", sockets]);
      if (printer.isTerminal && processes.length > 0)
        printer.table(
          [{ title: "SOCKETS", isNumber: true }, { title: "PROCESS" }],
          processes.map((one) => [one.sockets, one.id]),
        );
      if (!printer.isTerminal) for (const one of processes) printer.fields(["process", one.id, one.sockets]);
      if (past !== undefined) showSessions(printer, past.sessions);
    }
    if (past !== undefined && !past.exact)
      printer.say(`rollcall user: changes are kept only since ${past.since}; earlier sessions are missing`);
    return user.online ? EXIT.ok : EXIT.no;
  } finally {
    source.close();
  }
}

type Past = Pick<Awaited<ReturnType<Source["sessions"]>>, "sessions" | "exact" | "since">;

/** All pages. */
async function sessionsOf(
  source: Source,
  ask: ReturnType<typeof asking>,
  id: string,
  from: Date | undefined,
  to: Date | undefined,
): Promise<Past> {
  const sessions: Past["sessions"][number][] = [];
  let cursor: string | undefined;
  for (;;) {
    const page = await ask(source.sessions(id, { from, to, cursor }));
    sessions.push(...page.sessions);
    if (page.next === null) return { sessions, exact: page.exact, since: page.since };
    cursor = page.next;
  }
}

function showSessions(printer: Printer, sessions: Past["sessions"]): void {
  if (!printer.isTerminal) {
    for (const { start, end, cause } of sessions) printer.fields(["session", start, end, cause]);
    return;
  }
  printer.line("");
  printer.table(
    [{ title: "FROM" }, { title: "TO" }, { title: "LASTED", isNumber: true }, { title: "ENDED BY" }],
    sessions.map(({ start, end, cause }) => [
      start,
      end,
      start === null || end === null ? null : span(Date.parse(end) - Date.parse(start)),
      cause,
    ]),
  );
}

/** `rollcall scopes`. */
import { asking } from "./ask.ts";
import { type Call, EXIT } from "./command.ts";
import { type Field, Printer } from "./print.ts";
import { openSource } from "./source.ts";

const PAGE = 1_000;

export async function run(call: Call): Promise<number> {
  const { given, io } = call;
  const printer = new Printer(io);
  const ask = asking(call);
  const source = await openSource(call);
  let left = given.number("limit") ?? Infinity;
  const rows: (readonly Field[])[] = [];
  try {
    let cursor: string | undefined;
    do {
      const { scopes, next } = await ask(
        source.scopes({
          namespace: given.text("namespace"),
          prefix: given.text("starts"),
          limit: Math.min(PAGE, left),
          cursor,
        }),
      );
      for (const scope of scopes.slice(0, left)) {
        left--;
        if (given.on("json")) printer.json(scope);
        else rows.push([scope.users, scope.sockets, scope.namespace, scope.room]);
      }
      cursor = next ?? undefined;
    } while (cursor !== undefined && left > 0);
    if (!given.on("json"))
      printer.table(
        [
          { title: "USERS", isNumber: true },
          { title: "SOCKETS", isNumber: true },
          { title: "NAMESPACE" },
          { title: "ROOM" },
        ],
        rows,
      );
    return EXIT.ok;
  } finally {
    source.close();
  }
}

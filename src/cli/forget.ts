/** `rollcall forget USER`. */
import { asking } from "./ask.ts";
import { type Call, EXIT } from "./command.ts";
import { Printer } from "./print.ts";
import { confirm, openProjector } from "./write.ts";

export async function run(call: Call): Promise<number> {
  const { given, io } = call;
  const printer = new Printer(io);
  const [user = ""] = given.positionals;
  const { projector, where, close } = await openProjector(call);
  try {
    await confirm(call, `remove what ${where} keeps about the user ${user}, and all changes before`);
    const forgotten = await asking(call)(projector.forget(user));
    if (given.on("json")) printer.json(forgotten);
    else printer.facts({ ...forgotten });
    return EXIT.ok;
  } finally {
    await close();
  }
}

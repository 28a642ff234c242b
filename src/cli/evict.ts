/** `rollcall evict PROCESS`. */
import { asking } from "./ask.ts";
import { type Call, EXIT } from "./command.ts";
import { Printer } from "./print.ts";
import { confirm, openProjector } from "./write.ts";

export async function run(call: Call): Promise<number> {
  const { given, io } = call;
  const printer = new Printer(io);
  const [process = ""] = given.positionals;
  const { projector, where, close } = await openProjector(call);
  try {
    await confirm(call, `end the process ${process} at ${where}`);
    const found = await asking(call)(projector.evict(process));
    if (given.on("json")) printer.json({ process, found });
    else printer.fields([found ? "evicted" : "not found", process]);
    return found ? EXIT.ok : EXIT.no;
  } finally {
    await close();
  }
}

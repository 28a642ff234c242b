/** `rollcall project`. */
import { projectFrom } from "../node/project-from.ts";
import type { Call } from "./command.ts";
import { runService } from "./daemon.ts";

export const run = (call: Call): Promise<number> => runService(call, projectFrom);

/** `rollcall serve`. */
import { serveFrom } from "../node/serve-from.ts";
import type { Call } from "./command.ts";
import { runService } from "./daemon.ts";

/** Whoever sets ROLLCALL_TOKEN for a server means ROLLCALL_TOKENS, without which it is closed. */
export const run = (call: Call): Promise<number> => runService(call, serveFrom, ["ROLLCALL_TOKEN"]);

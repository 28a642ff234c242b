/** The door `rollcall/http`: the edge API over any reader. */
export { createApp, type AppOptions } from "./http/app.ts";
export type { StreamLimits } from "./http/options.ts";
export type { ProblemCode } from "./http/problem.ts";

/** The door `rollcall/http`: the API over any reader, for fetch, for Node's http, and as a server of its own. */
export { PresenceError, type PresenceErrorCode } from "./core/errors.ts";
export type { Logger } from "./core/options.ts";
export { createApp, type AppOptions } from "./http/app.ts";
export { fetchHandler, type FetchApp } from "./http/fetch.ts";
export type { CountsAccess, StreamLimits } from "./http/options.ts";
export type { ProblemCode } from "./http/problem.ts";
export { nodeHandler, type NodeHandler, serve, type ServeOptions } from "./node/server.ts";
export type { Reader } from "./reader/reader.ts";

/** The entry point `rollcall/http`: the API over any reader, as a fetch handler, for Node's http, or as its own server. */
export { PresenceError, type PresenceErrorCode } from "./core/errors.ts";
export type { Logger } from "./core/options.ts";
export { GRANT_ACTIONS, type GrantAction, type Grants } from "./core/grant.ts";
export { createApp, createProbes, type AppOptions, type ProbesOptions } from "./http/app.ts";
export type { BrowserTokensOptions } from "./http/browser-options.ts";
export { type ExplainedToken, explainToken } from "./http/explain.ts";
export { fetchHandler, type FetchApp } from "./http/fetch.ts";
export type { CountsAccess, DashboardAccess, ProbesAccess, StreamLimits } from "./http/options.ts";
export type { ProblemCode } from "./http/problem.ts";
export { nodeHandler, type NodeHandler, serve, type ServeOptions } from "./node/server.ts";
export type { Reader } from "./reader/reader.ts";
export { signToken, type SignTokenOptions } from "./tokens/sign.ts";

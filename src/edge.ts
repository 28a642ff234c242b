/** The door `rollcall/edge`: reader, API and sweeps for Workers and functions. Nothing of it needs Node. */
export { createApp, type AppOptions } from "./http/app.ts";
export { restApi } from "./edge/api.ts";
export { restProjection } from "./edge/projection.ts";

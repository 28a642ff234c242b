/** The API on Bun: `bun functions/bun.ts`, at PORT and HOST. */
import { createFetch } from "../src/edge/api.ts";
import { listenOptionsFrom } from "../src/edge/environment.ts";

const serve = createFetch();
const environment = { ...process.env };
const { port, host } = listenOptionsFrom(environment);

export default {
  port,
  hostname: host,
  // s. Longer than a stream is without a sign of life: Bun's own 10 s would cut it.
  idleTimeout: 60,
  fetch: (request: Request): Promise<Response> => serve(request, environment),
};

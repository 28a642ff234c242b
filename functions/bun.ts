/** The API on Bun: `bun functions/bun.ts`, at PORT and HOST. */
import { createFetch } from "../src/edge/api.ts";
import { listenOptionsFrom } from "../src/edge/environment.ts";

const serve = createFetch();
const environment = { ...process.env };
const { port, host } = listenOptionsFrom(environment);

interface Server {
  requestIP(request: Request): { readonly address: string } | null;
}

export default {
  port,
  hostname: host,
  // Seconds. Longer than the interval between keep-alives of a stream; Bun's default of 10 s would close it.
  idleTimeout: 60,
  fetch: (request: Request, server?: Server): Promise<Response> =>
    serve(request, environment, server?.requestIP(request)?.address),
};

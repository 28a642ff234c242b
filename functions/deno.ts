/** The API on Deno: `deno serve --allow-net --allow-env functions/deno.ts`. */
import process from "node:process";
import { createFetch } from "../src/edge/api.ts";

const serve = createFetch();
const environment = { ...process.env };

export default { fetch: (request: Request): Promise<Response> => serve(request, environment) };

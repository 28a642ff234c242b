/** The API on Deno: `deno serve --allow-net --allow-env functions/deno.ts`. */
import process from "node:process";
import { createFetch } from "../src/edge/api.ts";

const serve = createFetch();
const environment = { ...process.env };

interface Info {
  readonly remoteAddr?: { readonly hostname?: string };
}

export default {
  fetch: (request: Request, info?: Info): Promise<Response> =>
    serve(request, environment, info?.remoteAddr?.hostname),
};

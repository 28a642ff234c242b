/**
 * The API on Vercel: copy or re-export this as `api/index.ts`, and route every path to it in vercel.json (docs/deploy.md).
 * On the free plan a function may run for 60 s: set ROLLCALL_STREAM_LIFE below your plan's limit.
 */
import { createFetch } from "../src/edge/api.ts";

const serve = createFetch();

const handle = (request: Request): Promise<Response> => serve(request, process.env);

export { handle as GET, handle as HEAD, handle as OPTIONS, handle as POST };

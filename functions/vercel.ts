/**
 * The API on Vercel: copy or re-export this as `api/index.ts`, and let vercel.json send every path there
 * (docs/deploy.md). A function may live 60 s on the free plan: set ROLLCALL_STREAM_LIFE below what yours allows.
 */
import { createFetch } from "../src/edge/api.ts";

const serve = createFetch();

const handle = (request: Request): Promise<Response> => serve(request, process.env);

export { handle as GET, handle as HEAD, handle as OPTIONS, handle as POST };

/** The app as a function of a request, which Bun, Deno, Vercel and every router of fetch handlers take. */

/** What has a fetch handler, as createApp returns it. */
export interface FetchApp {
  fetch(request: Request): Response | Promise<Response>;
}

/**
 * `fetch` of an app without what a platform may pass beside the request.
 *
 *   Bun.serve({ fetch: fetchHandler(app) });
 *   Deno.serve(fetchHandler(app));
 *
 * Never rejects: whatever happens is answered with a problem.
 */
export function fetchHandler(app: FetchApp): (request: Request) => Promise<Response> {
  return async (request) => app.fetch(request);
}

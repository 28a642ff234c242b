/** The app as a fetch handler, which Bun, Deno, Vercel and many routers accept. */

/** Anything with a fetch handler, such as the app that createApp returns. */
export interface FetchApp {
  /** `env` is what the platform passes besides the request; on Node, the socket. */
  fetch(request: Request, env?: object): Response | Promise<Response>;
}

/**
 * The `fetch` of an app, ignoring the further arguments that a platform may pass.
 *
 *   Bun.serve({ fetch: fetchHandler(app) });
 *   Deno.serve(fetchHandler(app));
 *
 * With an app of createApp it never rejects: every failure is answered with a problem document.
 */
export function fetchHandler(app: FetchApp): (request: Request) => Promise<Response> {
  return async (request) => app.fetch(request);
}

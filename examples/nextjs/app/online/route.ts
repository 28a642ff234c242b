/** GET /online?user=alice&user=bob: who of these is online, at most 100. Put your own authorisation before it: it names users. */
import { PresenceError } from "../../../../src/edge.ts"; // "rollcall/edge" in your application
import { presence } from "../../lib/presence.ts";

export const dynamic = "force-dynamic"; // an answer is of its moment

const USERS_MAX = 100;

export async function GET(request: Request): Promise<Response> {
  const ids = new URL(request.url).searchParams.getAll("user").slice(0, USERS_MAX);
  try {
    const { users, asOf } = await presence().lookup(ids);
    return Response.json({ users: users.map(({ id, online }) => ({ id, online })), stale: asOf.stale });
  } catch (error) {
    if (!(error instanceof PresenceError)) throw error;
    return Response.json({ error: error.code }, { status: error.code === "USER_INVALID" ? 400 : 503 });
  }
}

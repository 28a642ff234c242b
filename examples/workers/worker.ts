/**
 * A Worker of your own with the presence API under /presence, and routes that read presence themselves. All of it has the token that
 * can only read.
 *
 *   npx wrangler dev --config examples/workers/wrangler.toml
 */
import { Hono } from "hono";
import { HTTPException } from "hono/http-exception";
import { createFetch, createReader, PresenceError, type Reader, upstashClient } from "../../src/edge.ts";

interface Variables {
  readonly UPSTASH_REDIS_REST_URL: string;
  readonly UPSTASH_REDIS_REST_READONLY_TOKEN: string;
  readonly ROLLCALL_PREFIX: string;
}

const TEAM = ["alice", "bob", "carol"]; // a real application reads them from its database

/** A Worker gets the same object with each request, until its variables change. */
const readers = new WeakMap<Variables, Reader>();
function readerOf(variables: Variables): Reader {
  let reader = readers.get(variables);
  if (reader === undefined) {
    const redis = upstashClient({
      url: variables.UPSTASH_REDIS_REST_URL,
      token: variables.UPSTASH_REDIS_REST_READONLY_TOKEN,
    });
    reader = createReader({ redis, prefix: variables.ROLLCALL_PREFIX });
    readers.set(variables, reader);
  }
  return reader;
}

const app = new Hono<{ Bindings: Variables }>();

// GET /presence/v1/counts and the rest of the API. It has its own tokens (ROLLCALL_TOKENS) and answers its own errors.
app.mount("/presence", createFetch());

app.get("/", async ({ env, html }) => {
  const { users, asOf } = await readerOf(env).counts();
  return html(`<p>${users} online${asOf.stale ? " (may be old)" : ""}</p>`);
});

// A real application puts its own authorisation before this one: it names users.
app.get("/team", async ({ env, json }) => {
  const { users } = await readerOf(env).lookup(TEAM);
  return json({ team: users.map(({ id, online }) => ({ id, online })) });
});

app.onError((error, { json }) => {
  if (error instanceof HTTPException) return error.getResponse();
  console.error(error instanceof PresenceError ? `${error.code}: ${error.message}` : error);
  return json({ error: "presence is not known now" }, 503);
});

export default app;

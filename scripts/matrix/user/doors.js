/** What an application does with the other entry points: its own ioredis client, the API in its own server, the client. */
import { strict as assert } from "node:assert";
import { createServer } from "node:http";
import { Redis } from "ioredis";
import { createProjector, createReader, PresenceError } from "rollcall";
import { createClient, ProblemError } from "rollcall/client";
import { createFetch } from "rollcall/edge";
import { createApp, fetchHandler, nodeHandler, serve } from "rollcall/http";

const redis = new Redis(process.env.REDIS_URL);
const reader = createReader({ redis });
const projector = createProjector({ redis });
await projector.step();
const leaving = new AbortController();
const token = "a-token-for-the-matrix";
const app = createApp({ reader, tokens: [token], signal: leaving.signal });
assert.equal((await fetchHandler(app)(new Request("http://localhost/health"))).status, 200);

// Inside a server that is there already, which keeps its own Request and Response.
const { Request: before } = globalThis;
const server = createServer(nodeHandler(app));
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
const client = createClient(`http://127.0.0.1:${server.address().port}`, { token });
assert.equal((await client.counts()).users, 0);
assert.equal((await client.user("alice")).online, false);
assert.equal((await client.fetch("/openapi.json")).status, 200);
await assert.rejects(
  client.page({ limit: 0 }),
  (error) => error instanceof ProblemError && error.code === "QUERY_INVALID",
);
assert.equal(globalThis.Request, before);
server.closeAllConnections?.();
server.close();

// As a server of its own, until the signal.
await new Promise((resolve, reject) => {
  serve(app, {
    port: 0,
    signal: leaving.signal,
    onListen: async (url) => {
      assert.equal(
        (await fetch(`${url}/ready`, { headers: { authorization: `Bearer ${token}` } })).status,
        200,
      );
      leaving.abort();
    },
  }).then(resolve, reject);
});

// Without its variables the edge says which is missing.
const { status, headers } = await createFetch()(new Request("http://localhost/v1/counts"), {});
assert.deepEqual([status, headers.get("content-type")], [500, "application/problem+json"]);
assert.throws(
  () => createReader({ redis: {} }),
  (error) => error instanceof PresenceError,
);

await projector.close();
reader.close();
redis.disconnect();

/**
 * Goal: browser tokens work in a Worker: of a secret, and of a key set that it fetches.
 * Method: the API as wrangler bundles it, in workerd, over REST to a real Redis; the key set on a server of the test.
 */
import { generateKeyPairSync, sign } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Redis } from "ioredis";
import { afterAll, beforeAll, expect, it, onTestFinished } from "vitest";
import { startRedis, type RedisServer } from "../../../packages/local-redis/src/index.ts";
import { startWorkerd } from "../../../rig/workerd.ts";
import { signToken } from "../../../src/tokens/sign.ts";
import { bearer, claimsOf, part, SECRET } from "../../unit/http/browsers.ts";
import { newPrefix, populate, problemIn } from "../../unit/http/support.ts";
import { READ_ONLY_TOKEN, startTappedBridge, type Tap } from "./support.ts";

let server: RedisServer;
let redis: Redis;
let tap: Tap;
beforeAll(async () => {
  server = await startRedis();
  redis = new Redis(server.url);
  tap = await startTappedBridge(server.url);
});
afterAll(async () => {
  await tap[Symbol.asyncDispose]();
  redis.disconnect();
  await server.stop();
});

const GRANTS = { actions: ["users", "changes"], users: ["alice"] } as const;
const { privateKey, publicKey } = generateKeyPairSync("ed25519");

/** Serves the public key; its URL. */
async function keySet(): Promise<string> {
  const keys = [{ ...publicKey.export({ format: "jwk" }), kid: "one" }];
  const made = createServer((_, response) => response.end(JSON.stringify({ keys }))).listen(0, "127.0.0.1");
  await once(made, "listening");
  onTestFinished(() => {
    made.closeAllConnections();
    made.close();
  });
  return `http://127.0.0.1:${(made.address() as AddressInfo).port}/jwks.json`;
}

const ofSecret = () =>
  signToken({
    secret: SECRET,
    issuer: "https://app.example",
    audience: "presence",
    subject: "bob",
    grants: GRANTS,
  });

function ofKey(): Promise<string> {
  const text = `${part({ alg: "EdDSA", typ: "at+jwt", kid: "one" })}.${part(claimsOf(GRANTS))}`;
  return Promise.resolve(`${text}.${sign(null, Buffer.from(text), privateKey).toString("base64url")}`);
}

it.each([
  ["a secret", async () => ({ ROLLCALL_BROWSER_SECRETS: SECRET }), ofSecret],
  [
    "a key set",
    async () => ({ ROLLCALL_BROWSER_JWKS: await keySet(), ROLLCALL_BROWSER_CURSOR_KEY: SECRET }),
    ofKey,
  ],
])(
  "INV-8: with %s, a holder reads its users and their changes and no others",
  async (_, variables, tokenOf) => {
    const prefix = newPrefix();
    await populate(redis, { prefix, users: ["alice", "carol"] });
    await using worker = await startWorkerd(
      {
        UPSTASH_REDIS_REST_URL: tap.url,
        UPSTASH_REDIS_REST_READONLY_TOKEN: READ_ONLY_TOKEN,
        ROLLCALL_PREFIX: prefix,
        ROLLCALL_BROWSER_ISSUER: "https://app.example",
        ROLLCALL_BROWSER_AUDIENCE: "presence",
        ...(await variables()),
      },
      { entrypoint: "functions/edge.ts" },
    );
    const headers = bearer(await tokenOf());
    const page = (await (await fetch(`${worker.url}/v1/users`, { headers })).json()) as {
      users: object[];
      asOf: { cursor: string };
    };
    expect(page).toMatchObject({ users: [{ id: "alice" }], asOf: { record: "" } });
    await populate(redis, { prefix, process: "web-2", users: ["dave"] });
    const changes = await fetch(`${worker.url}/v1/changes?after=${page.asOf.cursor}`, { headers });
    expect(await changes.json()).toMatchObject({ changes: [], gap: false, more: false });
    const refused = await fetch(`${worker.url}/v1/changes?user=carol`, { headers });
    expect(await problemIn(refused)).toMatchObject({ status: 403, code: "USER_NOT_GRANTED" });
    const forged = await fetch(`${worker.url}/v1/users`, {
      headers: bearer(`${(await tokenOf()).slice(0, -9)}AAAAAAAAA`),
    });
    expect(await problemIn(forged)).toMatchObject({ status: 401, code: "TOKEN_INVALID" });
  },
);

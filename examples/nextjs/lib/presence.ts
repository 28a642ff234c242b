/** The reader of this application, over REST with the token that can only read. It is made with the first request, not by `next build`. */
import { createReader, type Reader, upstashClient } from "../../../src/edge.ts"; // "rollcall/edge" in your application

let reader: Reader | undefined;

export function presence(): Reader {
  if (reader !== undefined) return reader;
  const { UPSTASH_REDIS_REST_URL: url, UPSTASH_REDIS_REST_READONLY_TOKEN: token } = process.env;
  if (!url || !token) throw new Error("set UPSTASH_REDIS_REST_URL and UPSTASH_REDIS_REST_READONLY_TOKEN");
  reader = createReader({ redis: upstashClient({ url, token }), prefix: process.env["ROLLCALL_PREFIX"] });
  return reader;
}

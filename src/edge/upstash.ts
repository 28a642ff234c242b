/** The REST client as every function here wants it. It runs on Web standards, so Node can use it too. */
import { Redis } from "@upstash/redis/cloudflare";
import { REST_AGAIN_MS, REST_MS, REST_RETRIES } from "../core/limits.ts";
import type { UpstashClient } from "../redis/upstash.ts";
import type { RestCredentials } from "./environment.ts";

/** Nothing is sent before the first command. `onRepeat` is called before a request is sent again. */
export function upstashClient(
  { url, token }: RestCredentials,
  onRepeat: () => void = () => {},
): UpstashClient {
  return new Redis({
    url,
    token,
    // Otherwise user ids come back as numbers and booleans.
    automaticDeserialization: false,
    // In base64, which is its default, the client takes a byte order mark off the beginning of an id.
    responseEncoding: false,
    enableAutoPipelining: false,
    enableTelemetry: false,
    retry: {
      retries: REST_RETRIES,
      backoff(attempt) {
        onRepeat();
        return REST_AGAIN_MS * 2 ** attempt;
      },
    },
    // A function, since of a plain signal that fires the client makes the answer null.
    signal: () => AbortSignal.timeout(REST_MS),
  });
}

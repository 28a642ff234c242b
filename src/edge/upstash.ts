/** The REST client with the settings that Rollcall requires. It uses Web standards only, so it runs on Node too. */
import { Redis } from "@upstash/redis/cloudflare";
import { REST_AGAIN_MS, REST_MS, REST_RETRIES } from "../core/limits.ts";
import type { UpstashClient } from "../redis/upstash.ts";
import type { RestCredentials } from "./environment.ts";

/** Sends nothing before the first command. `onRepeat` is called before each retry of a request. */
export function upstashClient(
  { url, token }: RestCredentials,
  onRepeat: () => void = () => {},
): UpstashClient {
  return new Redis({
    url,
    token,
    // Otherwise user ids come back as numbers and booleans.
    automaticDeserialization: false,
    // With base64, the default, the client strips a byte order mark from the beginning of an id.
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
    // A function: when a plain signal fires, the client returns null as the answer.
    signal: () => AbortSignal.timeout(REST_MS),
  });
}

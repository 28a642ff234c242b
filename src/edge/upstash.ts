/** The REST client as every function here wants it. It runs on Web standards, so Node can use it too. */
import { Redis } from "@upstash/redis/cloudflare";
import { REST_MS } from "../core/limits.ts";
import type { RestCredentials } from "./environment.ts";

/** Twice in all: whoever asks is waiting, and may ask again. */
const RETRIES = 1;

/** The first pause before a request is sent again, ms; each one after it is longer. */
const AGAIN_MS = 50;

/** Nothing is sent before the first command. `onRepeat` is called before a request is sent again. */
export function upstashClient({ url, token }: RestCredentials, onRepeat: () => void = () => {}): Redis {
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
      retries: RETRIES,
      backoff(attempt) {
        onRepeat();
        return AGAIN_MS * 2 ** attempt;
      },
    },
    // A function, since of a plain signal that fires the client makes the answer null.
    signal: () => AbortSignal.timeout(REST_MS),
  });
}

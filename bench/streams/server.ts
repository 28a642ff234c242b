/** The server of bench/streams.ts. Sends its URL, then answers any question with its memory and CPU. */
import { createReader } from "../../src/reader/create.ts";
import { createApp } from "../../src/http/app.ts";
import { serve } from "../../src/node/server.ts";
import { answering, usedNow } from "./child.ts";

const { REDIS: redis = "", PREFIX: prefix, TOKEN = "" } = process.env;
const app = createApp({
  reader: createReader({ redis, prefix }),
  tokens: [TOKEN],
  streams: { most: 10_000 },
  logger: console,
});
answering(usedNow);
await serve(app, {
  port: 0,
  signal: new AbortController().signal,
  onListen: (url) => void process.send!(url),
});

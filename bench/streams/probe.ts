/** Asks /health 50 times a second, for bench/streams.ts. Any question is answered with how long each answer took since the last one, ms. */
import { setTimeout as delay } from "node:timers/promises";
import { answering } from "./child.ts";

const EVERY_MS = 20;
const { URL: url = "" } = process.env;
let took: number[] = [];
answering(() => {
  const seen = took;
  took = [];
  return seen;
});
for (;;) {
  const began = performance.now();
  await (await fetch(`${url}/health`)).text();
  const ms = performance.now() - began;
  took.push(ms);
  await delay(Math.max(0, EVERY_MS - ms));
}

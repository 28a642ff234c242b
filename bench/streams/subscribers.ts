/**
 * The subscribers of bench/streams.ts, as plain as possible. Sends "open" when all streams are, then answers what was
 * made with what became of it, as soon as every subscriber has its changes or nothing has come for a while.
 */
import { get } from "node:http";
import { setTimeout as delay } from "node:timers/promises";
import { answering, type Received } from "./child.ts";
import type { Made } from "./load.ts";

const { URL: url = "", TOKEN = "", COUNT = "0", FOLLOWED = "0", USERS = "1" } = process.env;
const [count, followed, users] = [COUNT, FOLLOWED, USERS].map(Number) as [number, number, number];
/** Connections that open at the same time: fewer than wait to be accepted on Linux. */
const AT_ONCE = 50;
/** After so long without anything new, ms, nothing more is expected. */
const QUIET_MS = 20_000;
const RETRY_MS = 1_000;
const [CHANGE, GAP, ID, END] = ['"cause"', "event: gap\n", "id: ", "\n\n"].map((text) => Buffer.from(text)) as [Buffer, Buffer, Buffer, Buffer]; // prettier-ignore

class Subscriber {
  changes = 0;
  expected = 0;
  gaps = 0;
  readonly users: readonly number[];
  readonly #path: string;
  readonly #isOpen = Promise.withResolvers<void>();
  #rest: Buffer = Buffer.alloc(0);
  #id: string | undefined;

  constructor(i: number) {
    this.users = Array.from({ length: followed }, (_, k) => (i * followed + k) % users);
    const query = new URLSearchParams(this.users.map((user) => ["user", `user-${user}`]));
    this.#path = `/v1/changes?${query}`;
  }

  /** Resolves when the stream has sent its first id, which is where it begins. */
  open(): Promise<void> {
    const headers = {
      accept: "text/event-stream",
      authorization: `Bearer ${TOKEN}`,
      ...(this.#id !== undefined && { "last-event-id": this.#id }),
    };
    let isOver = false;
    const again = () => {
      if (isOver) return;
      isOver = true;
      reopened++;
      this.#rest = Buffer.alloc(0);
      setTimeout(() => void this.open(), RETRY_MS);
    };
    const request = get(url + this.#path, { headers, agent: false }, (response) => {
      if (response.statusCode !== 200) response.resume();
      else response.on("data", (chunk: Buffer) => this.#take(chunk));
      // With a filter the first id may take a heartbeat.
      if (response.statusCode === 200 && followed > 0) this.#isOpen.resolve();
      response.on("close", again);
    });
    request.on("error", again);
    return this.#isOpen.promise;
  }

  #take(chunk: Buffer): void {
    bytes += chunk.length;
    const all = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    const end = all.lastIndexOf(END);
    if (end === -1) {
      this.#rest = all;
      return;
    }
    const whole = all.subarray(0, end + END.length);
    this.#rest = all.subarray(end + END.length);
    const changes = occurrences(whole, CHANGE);
    this.changes += changes;
    // Signs of life say nothing about what is still to come.
    if (changes > 0) lastAt = performance.now();
    this.gaps += occurrences(whole, GAP);
    const at = whole.lastIndexOf(ID);
    if (at === -1) return;
    this.#id = whole.toString("latin1", at + ID.length, whole.indexOf("\n", at));
    this.#isOpen.resolve();
  }
}

let bytes = 0;
let reopened = 0;
let lastAt = performance.now();

function occurrences(text: Buffer, word: Buffer): number {
  let found = 0;
  for (let at = text.indexOf(word); at !== -1; at = text.indexOf(word, at + word.length)) found++;
  return found;
}

async function received({ made, byUser }: Made): Promise<Received> {
  for (const one of all) one.expected = followed === 0 ? made : one.users.reduce((sum, user) => sum + byUser[user]!, 0); // prettier-ignore
  const isDone = ({ changes, gaps, expected }: Subscriber) => changes >= expected || gaps > 0;
  while (performance.now() - lastAt < QUIET_MS && !all.every(isDone)) await delay(100);
  const withoutGap = all.filter(({ gaps }) => gaps === 0);
  const complete = withoutGap.filter(({ changes, expected }) => changes === expected).length;
  return {
    bytes,
    complete,
    told: all.length - withoutGap.length,
    wrong: withoutGap.length - complete,
    reopened,
  };
}

const all = Array.from({ length: count }, (_, i) => new Subscriber(i));
for (let i = 0; i < count; i += AT_ONCE)
  await Promise.all(all.slice(i, i + AT_ONCE).map((one) => one.open()));
answering((made) => received(made as Made));
process.send!("open");

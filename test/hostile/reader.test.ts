/**
 * Goal: whatever a Redis, a proxy or a service in between replies, a reader answers or reports what is wrong: it rejects with
 * a PresenceError, never with a TypeError or INTERNAL, which is a bug in Rollcall, and it never retries without end.
 * Method: a port with invalid replies: of the wrong shape, empty, nested, truncated, for another command; and valid replies
 * with one error in them.
 */
import fc from "fast-check";
import { expect, it } from "vitest";
import { PresenceError } from "../../src/core/errors.ts";
import { type Reader, readerOver } from "../../src/reader/reader.ts";
import { type ReadCommand, type ReadPort, type Reply, ReplyError } from "../../src/redis/port.ts";
import { REPEAT, SEED, TIMEOUT_MS, TIMES } from "./support.ts";

/** More round trips than any one question needs. */
const ASKED_MAX = 50;

type Answer = Reply | ReplyError;

const scalar: fc.Arbitrary<Reply> = fc.oneof(
  fc.constant(null),
  fc.integer(),
  fc.constantFrom(Number.NaN, Infinity, -1, 2 ** 53),
  fc.constantFrom("", "0", "1", "-1", "NaN", "OK", "1e400", "0-0", "x", "live", "5-0", "__proto__"),
  fc.string({ maxLength: 8 }),
);
const { reply } = fc.letrec<{ reply: Reply }>((tie) => ({
  reply: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    scalar,
    fc.array(tie("reply"), { maxLength: 6 }),
  ),
}));
const answer: fc.Arbitrary<Answer> = fc.oneof(
  { weight: 12, arbitrary: reply },
  { weight: 1, arbitrary: fc.constantFrom("WRONGTYPE Operation", "ERR no", "NOPERM no", "").map((text) => new ReplyError(text)) },
); // prettier-ignore

/** What a sound Redis says to one command. */
function sound(command: ReadCommand): Reply {
  const [name] = command;
  if (name === "HMGET" && command[1].endsWith(":states"))
    return command
      .slice(2)
      .map((id) => `${id === "q" ? "ended" : "live"} 1 1 0 1 2 0${id === "q" ? " bye 900" : ""}`);
  if (name === "HMGET" && command[1].endsWith(":about"))
    return command.slice(2).map(() => '{"host":"h","ttl":"1000","started":"900"}');
  if (name === "HMGET" && command[1].endsWith(":users"))
    return command.slice(2).map((_, i) => (i % 2 === 0 ? "2,3" : "0"));
  if (name === "HMGET") {
    if (command[2] === "shards")
      return command.length === 3 ? [null] : ["1", "5-0", "5-0", "1000", "-1", "2", "3", "1"];
    return command.slice(2).map((_, i) => (i % 2 === 0 ? "1" : null));
  }
  if (name === "XLEN") return 1;
  if (name === "XRANGE" || name === "XREVRANGE")
    return [["6-0", ["process", "p", "seq", "2", "ttl", "1000", "sockets", "1"]]];
  if (name === "HSCAN") return ["0", ["alice", "1", "bob", "0", "carol", "2,3*2"]];
  if (name === "ZRANGE") return ["1:p", "2000", "2:q", "0", "3:r", "500"];
  if (name === "ZMSCORE") return command.slice(2).map(() => "5000");
  if (name === "ZCOUNT") return 1;
  if (name === "GET") return "86401000";
  return 86_400_000;
}

/** Puts `wrong` at some place of a sound answer. */
function spoil(answers: readonly Answer[], path: readonly number[], wrong: Answer): Answer[] {
  const [first = 0, ...rest] = path;
  const copy = [...answers];
  const i = first % (copy.length + 1);
  const here = copy[i];
  copy[i] = rest.length > 0 && Array.isArray(here) ? (spoil(here, rest, wrong) as Reply) : wrong;
  return copy;
}

const questions: Record<string, (reader: Reader) => Promise<unknown>> = {
  counts: (reader) => reader.counts(),
  isOnline: (reader) => reader.isOnline("alice"),
  user: (reader) => reader.user("alice"),
  lookup: (reader) => reader.lookup(["alice", "bob"]),
  page: (reader) => reader.page({ limit: 10 }),
  processes: (reader) => reader.processes(),
  totals: (reader) => reader.totals(),
  changes: (reader) => reader.changes(),
  "changes after": (reader) =>
    reader.changes({ after: Array.from({ length: reader.shards }, () => "5-0").join("_") }),
  usersList: (reader) => reader.usersList(),
  async users(reader) {
    for await (const user of reader.users()) void user;
  },
};

async function survives(port: ReadPort, shards: number): Promise<void> {
  for (const [name, question] of Object.entries(questions)) {
    let asked = 0;
    const bounded: ReadPort = {
      read(commands) {
        if (++asked > ASKED_MAX) throw new PresenceError("REDIS_UNAVAILABLE", "asked for ever");
        return port.read(commands);
      },
    };
    try {
      await question(readerOver(bounded, { shards }));
    } catch (error) {
      if (!(error instanceof PresenceError) || error.code === "INTERNAL")
        throw new Error(`${name}: ${String(error)}`, { cause: error });
    }
  }
}

const options = { numRuns: 300 * TIMES, seed: SEED };

it(
  `nonsense from Redis is an error of ours or a sound answer (${REPEAT})`,
  { timeout: TIMEOUT_MS },
  async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(answer, { maxLength: 6 }), { minLength: 1, maxLength: 4 }),
        fc.constantFrom(1, 2),
        async (batches, shards) => {
          let next = 0;
          await survives({ read: async () => batches[next++ % batches.length]! }, shards);
        },
      ),
      options,
    );
  },
);

it(
  `a sound reply with one place spoilt is an error of ours or a sound answer (${REPEAT})`,
  { timeout: TIMEOUT_MS },
  async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.nat(7), { minLength: 1, maxLength: 4 }),
        answer,
        fc.nat(3),
        async (path, wrong, when) => {
          let asked = 0;
          const read = async (commands: readonly ReadCommand[]) => {
            const answers = commands.map(sound);
            return asked++ % 4 === when ? spoil(answers, path, wrong) : answers;
          };
          await survives({ read }, 1);
        },
      ),
      options,
    );
  },
);

it("valid replies are accepted", async () => {
  const reader = readerOver({ read: async (commands) => commands.map(sound) }, {}, { now: () => 1_000 });
  expect(await reader.counts()).toMatchObject({ users: 2, sockets: 3, connections: 1 });
  expect((await reader.page()).users).toMatchObject([
    { id: "alice", online: true, sockets: 1 },
    { id: "bob", online: true, sockets: 0 },
  ]);
  // The slots of "carol" are those of processes that have ended, by their goodbye and by their lease.
  expect(await reader.isOnline("carol")).toBe(false);
  expect((await reader.processes()).processes).toMatchObject([
    { id: "p", state: "live" },
    { id: "q", state: "ended", leaseUntil: null },
    { id: "r", state: "live" },
  ]);
});

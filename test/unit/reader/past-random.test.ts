/**
 * Goal: any moment whose changes are kept is rebuilt exactly, whoever comes and goes, also while it is rebuilt; and the sessions of a user say
 * the same of each moment.
 * Method: a random history over the real script, with graces, goodbyes, servers that close and servers that crash; at 20 of its moments
 * `users` is read from Redis. PAST_TRANSITIONS sets how long it is.
 */
import { expect, it } from "vitest";
import { type Moment, PastHistory } from "../../../rig/past.ts";
import { Random } from "../../../rig/random.ts";
import { readerOver, type Reader, type Session } from "../../../src/reader/reader.ts";
import { ioredisPort } from "../../../src/redis/ioredis.ts";
import { newPrefix, useRedis } from "../http/support.ts";

const test = useRedis();
const MOMENTS = 20;
const transitions = Number(process.env["PAST_TRANSITIONS"] ?? 20_000);
const seed = process.env["PAST_SEED"] ?? String(Math.floor(Math.random() * 2 ** 31));
const again = `PAST_SEED=${seed} PAST_TRANSITIONS=${transitions} npx vitest run test/unit/reader/past-random.test.ts`;

async function allSessions(reader: Reader, user: string): Promise<Session[]> {
  const found: Session[] = [];
  for (let cursor: string | undefined; ;) {
    const { sessions, next } = await reader.sessions(user, { cursor, limit: 7 });
    found.push(...sessions);
    if (next === null) return found;
    cursor = next;
  }
}

it("INV-20: 20 random moments are rebuilt exactly", { timeout: 600_000 }, async () => {
  process.stdout.write(`${again}\n`);
  const random = new Random(seed);
  const [prefix, shards] = [newPrefix(), 3];
  const history = new PastHistory(test.redis, {
    prefix,
    shards,
    random,
    users: Math.max(500, transitions / 40),
  });
  const reader = readerOver(ioredisPort(test.redis), { prefix, shards });
  const moments: Moment[] = [];
  while (history.transitions < transitions) {
    await history.round();
    const next = (moments.length * transitions) / MOMENTS + random.int(0, transitions / MOMENTS / 2);
    if (history.transitions > next) moments.push(await history.moment());
  }
  const told = history.transitions;
  expect(moments.length, again).toBeGreaterThanOrEqual(Math.min(MOMENTS, 15));
  expect(history.ended.byes * history.ended.crashes, again).toBeGreaterThan(0);

  const began = performance.now();
  for (const { at, users } of moments) {
    const answer = await reader.usersAt(new Date(at), { max: 100_000 });
    expect(answer, again).toMatchObject({ exact: true, at: new Date(at) });
    expect(answer.users, again).toEqual(users);
  }
  const took = performance.now() - began;
  process.stdout.write(`${moments.length} moments of ${told} transitions: ${took.toFixed(0)} ms\n`);

  // The same while others come and go.
  for (const { at, users } of moments.slice(0, 5)) {
    const [answer] = await Promise.all([reader.usersAt(new Date(at), { max: 100_000 }), history.round()]);
    expect(answer.users, again).toEqual(users);
  }

  await history.settle();
  const last = await history.moment();
  for (let i = 0; i < 10; i++) {
    const user = `user-${random.int(1, 500)}`;
    const sessions = await allSessions(reader, user);
    for (const { at, users } of [...moments, last]) {
      const present = sessions.some(
        ({ start, end }) => (start === null || start.getTime() <= at) && (end === null || end.getTime() > at),
      );
      expect(present, `${user} at ${at}: ${again}`).toBe(users.includes(user));
    }
    for (const [n, { start, end, cause }] of sessions.entries()) {
      expect(start, again).not.toBeNull();
      expect(end === null, again).toBe(cause === null);
      if (n > 0) expect(sessions[n - 1]!.end!.getTime(), again).toBeLessThanOrEqual(start!.getTime());
    }
  }
});

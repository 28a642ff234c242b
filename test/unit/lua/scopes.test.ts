/**
 * Goal: in every scope everything holds that holds in the whole (docs/protocol.md, "Scopes"; INV-16): who is present, grace, causes, the
 * end of processes, level checks, bounds; on the quick path and on the careful one.
 * Method: records written down by hand, folded by the real script on the test's clock; after each test all that Redis holds of scopes
 * must agree.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { entryOf } from "../../../rig/entry.ts";
import { type RedisServer, startRedis } from "../../../rig/redis.ts";
import { readScopes } from "../../../rig/scopes.ts";
import { TestShard } from "../../../rig/shard.ts";
import { SCOPE_UNIT, TOMBSTONE_MS } from "../../../src/core/limits.ts";
import type { StepResult } from "../../../src/projector/projector.ts";

let server: RedisServer;
let shard: TestShard;
beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());
beforeEach(() => {
  shard = new TestShard(server.url);
});
afterEach(async () => {
  await shard.check();
  await shard.redis.flushdb();
  await shard.close();
});

type Fields = Readonly<Record<string, unknown>>;

/** Appends a record: values as they are in it. */
async function append(process: string, seq: number, { ttl = 10_000, ...rest }: Fields): Promise<void> {
  await shard.append(...entryOf({ process, seq, ttl, ...rest }));
}

/** Steps until nothing is left to do now. */
async function drain(check = false): Promise<StepResult[]> {
  const results: StepResult[] = [];
  do results.push(await shard.step({ check }));
  while (results.at(-1)!.more);
  return results;
}

const read = () => readScopes(shard.redis, shard.keys);

/** Scope → `users/sockets`. */
async function counts(): Promise<Record<string, string>> {
  const { scores } = await read();
  return Object.fromEntries(
    Object.entries(scores).map(([scope, n]) => [scope, `${Math.floor(n / SCOPE_UNIT)}/${n % SCOPE_UNIT}`]),
  );
}

/** `/,news connect a b`, in order. */
async function moves(): Promise<string[]> {
  return (await read()).moves.flatMap(([, fields]) =>
    fields.flatMap((scope, i) => {
      if (i % 2 === 1 || !scope.startsWith("/")) return [];
      const causes = Object.entries(JSON.parse(fields[i + 1]!) as Record<string, string[]>);
      return causes.map(([cause, users]) => `${scope} ${cause} ${users.toSorted().join(" ")}`);
    }),
  );
}

const stateOf = async (id: string) => (await shard.process(id)).state;

/** What Redis holds of scopes, by name, without `moves`. */
async function leftOver(): Promise<string[]> {
  const names = (await shard.redis.keys("*")).filter((key) => key.startsWith(`${shard.keys.tag}:`));
  return names
    .map((key) => key.slice(shard.keys.tag.length + 1))
    .filter((name) => /^(scope|linger|told)/.test(name))
    .sort();
}

describe.each([
  ["quick", false],
  ["careful", true],
])("on the %s path", (_, check) => {
  const fold = async () => {
    const results = await drain(check);
    expect(results.some(({ rebuilt }) => rebuilt)).toBe(false);
    await shard.check();
    return results;
  };

  it("memberships come and go, several of a user, of anonymous sockets, of several processes", async () => {
    await append("p", 1, { tracks: ["/", "/,*"], sockets: 0, memberships: 0 });
    await fold();
    await append("p", 2, {
      connect: ["alice", "bob"],
      anonymous: 1,
      sockets: 3,
      join: [
        ["/", "alice", "bob", ""],
        ["/,a", "alice", "alice"],
        ["*/,b", "bob", ""],
        ["/,b", "bob"],
      ],
      memberships: 8,
    });
    await fold();
    expect(await counts()).toEqual({ "/": "2/3", "/,a": "1/2", "/,b": "1/3" });
    await append("q", 1, {
      tracks: ["/", "/,*"],
      connect: ["alice"],
      sockets: 1,
      join: [["/,a", "alice"]],
      memberships: 1,
    });
    await fold();
    expect((await read()).hashes["/,a"]).toEqual({ alice: "1*2,2" });
    await append("p", 3, { sockets: 3, part: [["/,a", "alice", "alice"], ["/,b", "bob", "bob"]], memberships: 4 }); // prettier-ignore
    await fold();
    expect(await counts()).toEqual({ "/": "2/3", "/,a": "1/1", "/,b": "0/1" });
    expect(await moves()).toEqual(["/,b connect bob", "/,b leave bob"]);
    expect(await shard.totals()).toMatchObject({ tracks: '["/","/,*"]', scoped: "3 5 1" });
    expect(await shard.rejected()).toEqual([]);
  });

  it("a user stays in grace in a scope as in the whole, and comes back without a change", async () => {
    await append("p", 1, { grace: 5_000, connect: ["a", "b"], sockets: 2, join: [["*/,r", "a", "b"], ["/,s", "a"]], memberships: 3 }); // prettier-ignore
    await fold();
    await append("p", 2, { disconnect: ["a"], sockets: 1, drop: [["/,r", "a"], ["/,s", "a"]], memberships: 1 }); // prettier-ignore
    const { due } = (await fold()).at(-1)!;
    expect(due).toBe(shard.now + 5_000);
    expect(await counts()).toEqual({ "/,r": "2/1", "/,s": "1/0" });
    expect((await read()).lingering).toEqual({ "1:a/,r": shard.now + 5_000, "1:a/,s": shard.now + 5_000 });
    await append("p", 3, { connect: ["a"], sockets: 2, join: [["*/,r", "a"]], memberships: 2 });
    await fold();
    expect(await counts()).toEqual({ "/,r": "2/2", "/,s": "1/0" });
    shard.now += 4_999;
    await append("p", 4, { sockets: 2, memberships: 2 });
    await fold();
    expect(await counts()).toEqual({ "/,r": "2/2", "/,s": "1/0" });
    shard.now += 1;
    await append("p", 5, { sockets: 2, memberships: 2 });
    await fold();
    expect(await counts()).toEqual({ "/,r": "2/2" });
    expect(await moves()).toEqual(["/,r connect a b"]);
  });

  it("grace that is over is told as such, and its scope is told no longer", async () => {
    await append("p", 1, { grace: 5_000, connect: ["a"], sockets: 1, join: [["*/,r", "a"]], memberships: 1 });
    await append("p", 2, { sockets: 1, drop: [["/,r", "a"]], memberships: 0 });
    await fold();
    expect((await read()).told).toEqual(["/,r"]);
    shard.now += 5_000;
    await append("p", 3, { sockets: 1, memberships: 0 });
    await fold();
    expect(await leftOver()).toEqual([]);
    expect((await moves()).at(-1)).toBe("/,r grace a");
    expect(await shard.users()).toEqual({ a: 1 });
  });

  it("part begins no grace; drop and shut do; none for anonymous sockets, and none on a process without grace", async () => {
    const join = [["/,d", "a"], ["/,p", "a"], ["/,s", "a"], ["/,x", ""]]; // prettier-ignore
    await append("p", 1, { grace: 5_000, connect: ["a"], anonymous: 1, sockets: 2, join, memberships: 4 });
    await append("q", 1, { connect: ["a"], sockets: 1, join: [["/,q", "a"]], memberships: 1 });
    await fold();
    await append("p", 2, { sockets: 2, drop: [["/,d", "a"], ["/,x", ""]], part: [["/,p", "a"]], shut: [["/,s", "a"]], memberships: 0 }); // prettier-ignore
    await append("q", 2, { sockets: 1, drop: [["/,q", "a"]], memberships: 0 });
    await fold();
    expect(await counts()).toEqual({ "/,d": "1/0", "/,s": "1/0" });
  });

  it.each([
    ["leave", "leave", 0],
    ["disconnect", "disconnect", 0],
    ["disconnect", "grace", 5_000],
  ])("who is gone from the whole by %s lingers nowhere: told as %s", async (how, cause, grace) => {
    await append("q", 1, { grace: 10_000, connect: ["a"], sockets: 1, join: [["*/,r", "a"], ["*/,s", "a"]], memberships: 2 }); // prettier-ignore
    await append("p", 1, { grace, connect: ["a"], sockets: 1, memberships: 0 });
    await fold();
    await append("q", 2, { disconnect: ["a"], sockets: 0, drop: [["/,r", "a"]], memberships: 1 });
    await append("q", 3, { sockets: 0, drop: [["/,s", "a"]], memberships: 0 });
    await fold();
    expect(await counts()).toEqual({ "/,r": "1/0", "/,s": "1/0" });
    await append("p", 2, { [how]: ["a"], sockets: 0, memberships: 0 });
    await fold();
    shard.now += grace;
    await append("p", 3, { sockets: 0, memberships: 0 });
    await fold();
    expect(await shard.users()).toEqual({});
    expect(await leftOver()).toEqual([]);
    expect((await moves()).slice(2)).toEqual([`/,r ${cause} a`, `/,s ${cause} a`]);
  });

  it("what a record drops while it says goodbye lingers no longer either; an id that begins like another is another", async () => {
    await append("p", 1, { grace: 5_000, connect: ["a", "a/"], sockets: 2, join: [["/,r", "a", "a/"], ["/,s", "a/"]], memberships: 3 }); // prettier-ignore
    await append("p", 2, { disconnect: ["a/"], sockets: 1, drop: [["/,r", "a/"], ["/,s", "a/"]], memberships: 1 }); // prettier-ignore
    await fold();
    await append("p", 3, { leave: ["a"], sockets: 0, drop: [["/,r", "a"]], memberships: 0 });
    await fold();
    expect(Object.keys((await read()).lingering).sort()).toEqual(["2:a//,r", "2:a//,s"]);
  });

  it("the order of records in a call counts: who goes lingers no longer, who goes and comes back lingers anew", async () => {
    const join = [["*/,r", "a", "b"], ["/,s", "b"]]; // prettier-ignore
    await append("p", 1, { grace: 5_000, connect: ["a", "a", "b", "b"], sockets: 4, join, memberships: 3 });
    await fold();
    await append("p", 2, { disconnect: ["a", "b"], sockets: 2, drop: [["/,r", "a", "b"]], memberships: 1 });
    await append("p", 3, { leave: ["a", "b"], sockets: 0, part: [["/,s", "b"]], memberships: 0 });
    await append("p", 4, { connect: ["b"], sockets: 1, join: [["/,s", "b"]], memberships: 1 });
    await append("p", 5, { sockets: 1, drop: [["/,s", "b"]], memberships: 0 });
    await fold();
    expect(await counts()).toEqual({ "/,s": "1/0" });
    expect(await moves()).toEqual(["/,r connect a b", "/,r leave a b"]);
  });

  it.each([
    ["a wrong check digit", { join: [["/,r", "b"]], part: [["/,s", "a"]], memberships: 9 }],
    [
      "a membership that is not there",
      {
        join: [["/,r", "b"]],
        part: [
          ["/,s", "a"],
          ["/,s", "b"],
        ],
        memberships: 0,
      },
    ],
    ["too few of them", { part: [["/,r", "a", "a"]], memberships: 0 }],
    ["a heartbeat with another number", { memberships: 1 }],
  ])("%s fences the process, and nothing of the record counts", async (_name, rest) => {
    const lists = {
      connect: ["a", "b"],
      sockets: 2,
      join: [
        ["*/,r", "a"],
        ["*/,s", "a"],
      ],
      memberships: 2,
    };
    await append("p", 1, { grace: 5_000, ...lists });
    await fold();
    const before = await read();
    await append("p", 2, { leave: ["b"], sockets: 1, ...rest });
    await fold();
    expect(await stateOf("p")).toBe("fenced");
    expect(await read()).toEqual(before);
    expect(await shard.users()).toEqual({ a: 1, b: 1 });
    await append("p2", 1, { ...lists, replaces: ["p"] });
    await fold();
    expect(await counts()).toEqual({ "/,r": "1/1", "/,s": "1/1" });
    expect((await read()).moves).toEqual(before.moves);
  });

  it.each([
    ["no scope", [["chat", "a"]]],
    ["nobody", [["/,r"]]],
    ["no list", ["/,r"]],
    ["no text", [["/,r", 7]]],
    ["a scope that is too long", [[`/,${"r".repeat(511)}`, "a"]]],
  ])("a list with %s is set aside", async (_name, join) => {
    await append("p", 1, { connect: ["a"], sockets: 1, memberships: 0 });
    await append("p", 2, { sockets: 1, join, memberships: 1 });
    await fold();
    expect(await shard.rejected()).toHaveLength(1);
    expect(await leftOver()).toEqual([]);
  });

  it.each(["join", "drop", "part", "shut"])("%s without memberships is set aside", async (name) => {
    await append("p", 1, { sockets: 0, [name]: [] });
    await fold();
    expect(await shard.rejected()).toEqual(["memberships is missing"]);
  });

  it("bounds: a scope of 512 bytes, any text; a scope counts as two operations", async () => {
    const odd = ["/,", "/,a,b", '/,é\u0000\n"', "/chat,*", `/,${"r".repeat(510)}`];
    await append("p", 1, { connect: ["a"], sockets: 1, join: odd.map((one) => [one, "a"]), memberships: 5 });
    await fold();
    expect(Object.keys(await counts()).sort()).toEqual(odd.toSorted());
    const join = Array.from({ length: 334 }, (_one, i) => [`/,${i}`, "a"]);
    await append("p", 2, { sockets: 1, join, memberships: 339 });
    await append("p", 2, { sockets: 1, join: join.slice(1), memberships: 338 });
    await fold();
    expect(await shard.rejected()).toEqual(["too many operations"]);
    expect(Object.keys(await counts())).toHaveLength(338);
  });

  it("a process that says bye leaves its users its grace in its scopes; one whose lease ends leaves none", async () => {
    for (const [process, user] of [["p", "a"], ["q", "b"]] as const) // prettier-ignore
      await append(process, 1, { grace: 5_000, connect: [user], anonymous: 1, sockets: 2, join: [["*/,r", user, ""]], memberships: 2 }); // prettier-ignore
    await append("p", 2, { sockets: 2, memberships: 2, bye: "" });
    await fold();
    expect(await counts()).toEqual({ "/,r": "2/2" });
    shard.now += 5_000;
    await fold();
    expect(await counts()).toEqual({ "/,r": "1/2" });
    shard.now += 5_000;
    await fold();
    expect(await leftOver()).toEqual([]);
    expect(await moves()).toEqual(["/,r connect a b", "/,r grace a", "/,r reap b"]);
  });

  it.each([true, false])("INV-12: who goes and comes back after a process ended lingers in no room of it (in one call: %s)", async (inOneCall) => {
    const next = async (process: string, seq: number, fields: Fields) => {
      await append(process, seq, fields);
      if (!inOneCall) await fold();
    };
    await next("p", 1, { grace: 30_000, connect: ["a", "b"], sockets: 2, join: [["*/,r", "a", "b"]], memberships: 2 });
    await next("q", 1, { connect: ["a"], sockets: 1, memberships: 0 });
    // It does not say that they go: they are searched for.
    await next("p", 2, { sockets: 2, memberships: 2, bye: "" });
    await next("q", 2, { leave: ["a"], sockets: 0, memberships: 0 });
    await next("q", 3, { connect: ["a"], sockets: 1, memberships: 0 });
    await fold();
    expect((await read()).hashes).toEqual({ "/,r": { b: "0" } });
    expect(await shard.users()).toEqual({ a: 1, b: 0 });
    expect(await moves()).toEqual(["/,r connect a b", "/,r leave a"]);
    expect(await leftOver()).toEqual(["lingerers", "lingering", "scope:/,r", "scopes", "told"]);
  }); // prettier-ignore

  it.each([true, false])("INV-12: the cause of a departure is the first goodbye since the user lingers (in one call: %s)", async (inOneCall) => {
    await append("p", 1, { grace: 30_000, connect: ["a"], sockets: 1, join: [["*/,r", "a"]], memberships: 1 });
    await append("p", 2, { disconnect: ["a"], sockets: 0, drop: [["/,r", "a"]], memberships: 0 });
    await append("q", 1, { sockets: 0, memberships: 0 });
    await fold();
    for (const [i, lists] of [{ connect: ["a"], sockets: 1 }, { leave: ["a"], sockets: 0 }, { connect: ["a"], sockets: 1 }, { disconnect: ["a"], sockets: 0 }].entries()) {
      await append("q", 2 + i, { ...lists, memberships: 0 });
      if (!inOneCall) await fold();
    }
    await fold();
    expect(await shard.users()).toEqual({});
    expect(await moves()).toEqual(["/,r connect a", "/,r leave a"]);
    expect((await shard.told()).at(-1)).toBe("-a disconnect");
  }); // prettier-ignore

  it("a user who came back elsewhere stays in the scopes it came back to", async () => {
    await append("p", 1, {
      connect: ["a"],
      sockets: 1,
      join: [
        ["*/,r", "a"],
        ["*/,s", "a"],
      ],
      memberships: 2,
    });
    await fold();
    shard.now += 9_000;
    await append("q", 1, { connect: ["a"], sockets: 1, join: [["*/,r", "a"]], memberships: 1 });
    await fold();
    shard.now += 2_000;
    await append("q", 2, { sockets: 1, memberships: 1 });
    await fold();
    expect(await counts()).toEqual({ "/,r": "1/1" });
    expect(await moves()).toEqual(["/,r connect a", "/,s connect a", "/,s reap a"]);
  });

  it("graces move back with the clock", async () => {
    await append("p", 1, { grace: 5_000, connect: ["a"], sockets: 1, join: [["/,r", "a"]], memberships: 1 });
    await append("p", 2, { sockets: 1, drop: [["/,r", "a"]], memberships: 0 });
    await fold();
    shard.now -= 600_000;
    await fold();
    expect((await read()).lingering).toEqual({ "1:a/,r": shard.now + 5_000 });
    shard.now += 5_000;
    await fold();
    expect(await counts()).toEqual({});
  });

  it("with reap 0 no grace in a scope ends", async () => {
    await append("p", 1, { grace: 5_000, connect: ["a"], sockets: 1, join: [["/,r", "a"]], memberships: 1 });
    await append("p", 2, { sockets: 1, drop: [["/,r", "a"]], memberships: 0 });
    await fold();
    shard.now += 5_000;
    expect(await shard.step({ check, reap: false })).toMatchObject({ held: 1, more: false });
    expect(await counts()).toEqual({ "/,r": "1/0" });
  });
});

describe("the end of processes", () => {
  /** A process with a user in each of `rooms` rooms, with `users` users in one, and with a room of its own. */
  async function crowd(process: string, { rooms, users }: { rooms: number; users: number }): Promise<void> {
    const joins = [
      [`/,own-${process}`, `${process}-own`],
      ...Array.from({ length: rooms }, (_, i) => [`/,${i}`, `${process}${i}`]),
      ...Array.from({ length: Math.ceil(users / 250) }, (_, i) => [
        "*/,big",
        ...Array.from({ length: 250 }, (_one, j) => `${process}-${i}-${j}`),
      ]),
    ];
    let [seq, sockets] = [1, 0];
    for (let from = 0; from < joins.length; seq++) {
      const join: string[][] = [];
      for (let size = 0; from < joins.length && size + joins[from]!.length <= 260; from++) {
        join.push(joins[from]!);
        size += joins[from]!.length + 2;
      }
      const connect = join.flatMap(([, ...ids]) => ids);
      sockets += connect.length;
      await append(process, seq, { connect, sockets, join, memberships: sockets });
    }
  }

  it("INV-7: two that share scopes go slice by slice, and nothing of them is left", async () => {
    const slow = new TestShard(server.url, { budget: 200, prefix: shard.prefix });
    await crowd("p", { rooms: 3_000, users: 5_000 });
    await crowd("q", { rooms: 500, users: 500 });
    await drain();
    await append("r", 1, { connect: ["r"], sockets: 1, join: [["/,big", "r"], ["/,7", "r"]], memberships: 2, ttl: 3_600_000 }); // prettier-ignore
    await drain();
    await shard.check();
    expect(await counts()).toMatchObject({ "/,big": "5501/5501", "/,7": "3/3", "/,2999": "1/1" });
    slow.now = shard.now += 10_000;
    let [calls, most] = [0, 0];
    for (let more = true; more; calls++) {
      const before = await commandsRun();
      ({ more } = await slow.step());
      most = Math.max(most, (await commandsRun()) - before);
    }
    expect(calls).toBeGreaterThan(50);
    // About four commands a scope, and a slice of one.
    expect(most).toBeLessThan(2_000);
    expect(await counts()).toEqual({ "/,big": "1/1", "/,7": "1/1" });
    expect(await leftOver()).toEqual(["scope:/,7", "scope:/,big", "scopes", "scopes:3", "told"]);
    const told = (await moves()).filter((line) => line.startsWith("/,big reap"));
    expect(told.flatMap((line) => line.split(" ").slice(2))).toHaveLength(5_500);
    await slow.close();
  }, 60_000);

  /** Commands so far, of scripts too. */
  async function commandsRun(): Promise<number> {
    const stats = await shard.redis.info("commandstats");
    return [...stats.matchAll(/calls=(\d+)/g)].reduce((all, [, n]) => all + Number(n), 0);
  }

  it("records that are folded in between count at once", async () => {
    const slow = new TestShard(server.url, { budget: 100, prefix: shard.prefix });
    await crowd("p", { rooms: 0, users: 2_000 });
    await append("q", 1, { sockets: 0, memberships: 0, ttl: 60_000 });
    await drain();
    slow.now = shard.now += 10_000;
    for (let seq = 2, more = true; more; seq++) {
      const user = `p-${seq % 8}-${seq % 250}`;
      const rest = seq % 2 === 0 ? {} : { part: [["/,big", `p-${(seq - 1) % 8}-${(seq - 1) % 250}`]] };
      const leave = seq % 2 === 0 ? {} : { leave: [`p-${(seq - 1) % 8}-${(seq - 1) % 250}`] };
      if (seq < 60) {
        const came = seq % 2 === 0 ? { connect: [user], sockets: 1, join: [["/,big", user]], memberships: 1 } : { ...leave, sockets: 0, ...rest, memberships: 0 }; // prettier-ignore
        await append("q", seq, { ...came, ttl: 60_000 });
      }
      ({ more } = await slow.step());
      // Between two slices too.
      if (seq % 4 === 0) await shard.check();
    }
    await slow.close();
    await drain();
    const { state, sockets } = await shard.process("q");
    expect(state).toBe("live");
    expect(await counts()).toEqual(sockets === 0 ? {} : { "/,big": "1/1" });
  });

  it("INV-12: who goes and comes back while a pass has not reached a room lingers there no longer", async () => {
    const slow = new TestShard(server.url, { budget: 100, prefix: shard.prefix });
    const others = Array.from({ length: 400 }, (_, i) => `u${i}`);
    const join = [["/,big", ...others], ["*/,r", "a", "b"]]; // prettier-ignore
    await append("p", 1, {
      grace: 30_000,
      connect: ["a", "b", ...others],
      sockets: 402,
      join,
      memberships: 402,
    });
    await append("q", 1, { sockets: 0, memberships: 0 });
    await drain();
    await append("p", 2, { sockets: 402, memberships: 402, bye: "" });
    expect(await slow.step()).toMatchObject({ records: 1, more: true });
    await append("q", 2, { connect: ["a"], sockets: 1, memberships: 0 });
    expect(await slow.step()).toMatchObject({ records: 1, more: true });
    await append("q", 3, { leave: ["a"], sockets: 0, memberships: 0 });
    expect(await slow.step()).toMatchObject({ records: 1, more: true });
    // One of the two is through.
    expect(await counts()).toEqual({ "/,big": "400/0", "/,r": "2/2" });
    await shard.check();
    await append("q", 4, { connect: ["a"], sockets: 1, memberships: 0 });
    while ((await slow.step()).more) await shard.check();
    await slow.close();
    expect((await read()).hashes["/,r"]).toEqual({ b: "0" });
    expect(await moves()).toEqual(["/,r connect a b", "/,r leave a"]);
    expect(await leftOver()).toEqual([
      "lingerers",
      "lingering",
      "scope:/,big",
      "scope:/,r",
      "scopes",
      "told",
    ]);
  });

  it.each([
    ["in the whole", 2, 1, "1"],
    ["in scopes", 1, 2, "0"],
  ] as const)("a record that fences %s takes off an ended process what it names, or leaves it to the pass: nothing else differs", async (_, sockets, memberships, between) => {
    const slow = new TestShard(server.url, { budget: 100, prefix: shard.prefix });
    await append("p", 1, { grace: 30_000, connect: ["a", "b"], sockets: 2, join: [["*/,r", "a", "b"]], memberships: 2 });
    await append("q", 1, { sockets: 0, memberships: 0 });
    await drain();
    const until = shard.now + 30_000;
    await append("p", 2, { sockets: 2, memberships: 2, bye: "" });
    await append("q", 2, { connect: ["a"], sockets, join: [["*/,r", "a"]], memberships });
    // So many that the log is not drained, and no pass begins.
    for (let i = 0; i < 100; i++) await append("q", 3, { sockets: 0, memberships: 0 });
    expect(await slow.step()).toMatchObject({ fenced: 1, rejected: 0, more: true });
    await slow.close();
    await shard.check();
    expect(await shard.users()).toEqual({ a: 0, b: 1 });
    expect((await read()).hashes["/,r"]).toEqual({ a: between, b: "1" });
    shard.now += 10_000;
    await drain();
    const { hashes, lingering } = await read();
    expect(hashes).toEqual({ "/,r": { a: "0", b: "0" } });
    expect(lingering).toEqual({ "1:a/,r": until, "1:b/,r": until });
    expect(await moves()).toEqual(["/,r connect a b"]);
  }); // prettier-ignore

  it("nothing is left of scopes once the last process is forgotten", async () => {
    await append("p", 1, { connect: ["a"], sockets: 1, join: [["*/,r", "a"]], memberships: 1 });
    await drain();
    shard.now += 10_000;
    await drain();
    shard.now += TOMBSTONE_MS;
    await drain();
    expect(await leftOver()).toEqual([]);
    expect(await shard.totals()).toMatchObject({ lingering: "0", scoped: "0 0 0" });
  });
});

describe("a key that is gone", () => {
  const about = { grace: 30_000, ttl: 60_000 };
  const all = (id: string, rest: Fields = {}): Fields =>
    id.startsWith("p")
      ? { ...about, connect: ["a", "b"], anonymous: 1, sockets: 3, join: [["*/,r", "a", "b"], ["/,s", "a"], ["/,anon", ""]], memberships: 4, ...rest } // prettier-ignore
      : { ...about, connect: ["a"], sockets: 1, join: [["*/,r", "a"]], memberships: 1, ...rest };
  const beat = (id: string): Fields => ({ ttl: 60_000, sockets: id.startsWith("p") ? 3 : 1, memberships: id.startsWith("p") ? 4 : 1 }); // prettier-ignore

  it.each([
    "scopes", "scope:/,r", "scope:/,anon", "scopes:1", "scopes:2", "lingering", "lingerers", "told",
    "totals", "users", "processes", "states", "leaving",
  ])("%s: everything is right again after level checks and heartbeats", async (name) => {
    await append("p", 1, all("p"));
    await append("q", 1, all("q"));
    // c lingers in the whole and in a scope.
    await append("q", 2, { ttl: 60_000, connect: ["c"], sockets: 2, join: [["/,r", "c"]], memberships: 2 });
    await append("q", 3, { ttl: 60_000, disconnect: ["c"], sockets: 1, drop: [["/,r", "c"]], memberships: 1 });
    await drain();
    expect(await counts()).toEqual({ "/,r": "3/3", "/,s": "1/1", "/,anon": "0/1" });
    expect(await shard.redis.del(`${shard.keys.tag}:${name}`)).toBe(1);
    // Heartbeats a second apart; whoever finds itself unknown registers afresh.
    const ids = new Map([["p", "p"], ["q", "q"]]); // prettier-ignore
    const seqs = new Map([["p", 2], ["q", 4]]); // prettier-ignore
    for (let round = 0; round < 4; round++) {
      shard.now += 10_000;
      for (const [place, id] of ids) {
        const seq = seqs.get(place)!;
        if ((await shard.isKnown(id)) && (await stateOf(id)) === "live") await append(id, seq, beat(id));
        else {
          const fresh = `${place}${round}`;
          ids.set(place, fresh);
          seqs.set(place, 1);
          await append(fresh, 1, all(place, { replaces: [id] }));
        }
        seqs.set(place, seqs.get(place)! + 1);
      }
      await drain(true);
    }
    await shard.check();
    expect(await counts()).toMatchObject({ "/,s": "1/1", "/,anon": "0/1" });
    expect((await counts())["/,r"]).toMatch(/^[23]\/3$/);
    expect((await read()).told).toEqual(["/,r"]);
    const slots = await Promise.all([...ids.values()].map(async (id) => (await shard.process(id)).slot));
    expect((await leftOver()).filter((key) => key.startsWith("scopes:"))).toEqual(
      slots.map((slot) => `scopes:${slot}`).sort(),
    );
  }); // prettier-ignore

  it("processes and states at once: no hash of a slot is left", async () => {
    await append("p", 1, all("p"));
    await append("q", 1, all("q"));
    await drain();
    expect(await leftOver()).toContain("scopes:1");
    await shard.redis.del(shard.keys.processes, shard.keys.states);
    shard.now += 10_000;
    await drain(true);
    expect(await leftOver()).toEqual([]);
  });

  it("told: although another scope was told since, which made it anew", async () => {
    const both = { connect: ["a"], sockets: 1, join: [["*/,r", "a"], ["*/,t", "a"]], memberships: 2 }; // prettier-ignore
    await append("p", 1, { ttl: 60_000, connect: ["a"], sockets: 1, join: [["*/,r", "a"]], memberships: 1 });
    await drain();
    expect(await shard.redis.del(`${shard.keys.tag}:told`)).toBe(1);
    await append("p", 2, { ttl: 60_000, sockets: 1, join: [["*/,t", "a"]], memberships: 2 });
    await drain();
    expect((await read()).told).toEqual(["/,t"]);
    shard.now += 10_000;
    await append("p", 3, { ttl: 60_000, sockets: 1, memberships: 2 });
    await drain(true);
    expect(await shard.isKnown("p")).toBe(false);
    await append("q", 1, { ttl: 60_000, ...both, replaces: ["p"] });
    await drain(true);
    await shard.check();
    expect([...(await read()).told].sort()).toEqual(["/,r", "/,t"]);
    expect((await moves()).slice(-2)).toEqual(["/,r connect a", "/,t connect a"]);
  });

  it("a rebuild deletes many scopes, some a call, and folds nothing meanwhile", async () => {
    for (let seq = 1; seq <= 10; seq++) {
      const join = Array.from({ length: 300 }, (_, i) => [`/,${seq}-${i}`, "a"]);
      await append("p", seq, {
        ...(seq === 1 && { connect: ["a"] }),
        sockets: 1,
        join,
        memberships: seq * 300,
      });
    }
    await drain();
    await shard.redis.del(shard.keys.users);
    await append("q", 1, { connect: ["b"], sockets: 1, join: [["/,1-1", "b"]], memberships: 1 });
    shard.now += 1_100;
    const results = await drain();
    expect(results.map(({ records }) => records > 0).indexOf(true)).toBeGreaterThan(2);
    expect(await counts()).toEqual({ "/,1-1": "1/1" });
  });
});

describe("a key of another type", () => {
  const keys = ["scopes", "scope:/,r", "scopes:1", "lingering", "lingerers", "told", "moves"];

  it.each(keys.flatMap((name) => [[name, false], [name, true]] as const))("%s is named, and nothing is written (careful: %s)", async (name, check) => {
    await append("p", 1, { grace: 5_000, connect: ["a", "b"], sockets: 2, join: [["*/,r", "a", "b"]], memberships: 2 });
    await append("p", 2, { sockets: 2, drop: [["/,r", "b"]], memberships: 1 });
    await drain();
    const key = `${shard.keys.tag}:${name}`;
    const kept = await shard.redis.dumpBuffer(key);
    await shard.redis.set(key, "theirs");
    await append("p", 3, { connect: ["c"], disconnect: ["a"], sockets: 2, join: [["/,r", "c"]], drop: [["/,r", "a"]], memberships: 1 });
    const everything = async () => {
      const names = (await shard.redis.keys("*")).filter((one) => one !== shard.keys.records).sort();
      return Promise.all(names.map(async (one) => [one, (await shard.redis.dumpBuffer(one)).toString("hex")]));
    };
    const before = await everything();
    await expect(shard.step({ check })).rejects.toMatchObject({ code: "REDIS_TYPE", message: expect.stringContaining(key) });
    expect(await everything()).toEqual(before);
    await shard.redis.del(key);
    await shard.redis.restore(key, 0, kept);
    await drain();
    expect(await counts()).toEqual({ "/,r": "3/1" });
    expect(await stateOf("p")).toBe("live");
  }, 10_000); // prettier-ignore
});

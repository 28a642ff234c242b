/**
 * Small breaks of the code, each with the invariant it breaks and the tests that must notice. `find` is exact and stands
 * in its file exactly once, so that a mutant whose place has changed is noticed too.
 */
export interface Edit {
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

export interface Mutant {
  readonly name: string;
  readonly breaks: `INV-${1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9 | 10 | 11 | 13}`;
  readonly edits: readonly Edit[];
  readonly tests: readonly string[];
}

const FOLD = "test/unit/lua/fold.test.ts";
const REAP = "test/unit/lua/reap.test.ts";
const TURNS = "test/unit/lua/turns.test.ts";
const MODEL = "test/model/model.test.ts";
const TYPES = "test/hostile/types.test.ts";
const JOURNAL = "test/unit/core/journal.test.ts";
const CONFORMANCE = "test/unit/redis/ports.test.ts";
const CHANGES = "test/unit/http/changes.test.ts";
const EVENTS = "test/unit/http/events.test.ts";
const RECORDER = "test/unit/recorder/recorder.test.ts";
const SWEEP = "test/unit/projector/sweep.test.ts";
const FOLLOW = "test/unit/follow/random.test.ts";
const SCHEDULE = "test/unit/core/schedule.test.ts";

function mutant(
  name: string,
  breaks: Mutant["breaks"],
  tests: readonly string[],
  ...edits: readonly (readonly [file: string, find: string, replace: string])[]
): Mutant {
  return { name, breaks, tests, edits: edits.map(([file, find, replace]) => ({ file, find, replace })) };
}

const lua = (part: string) => `src/lua/parts/${part}.lua`;

export const MUTANTS: readonly Mutant[] = [
  mutant(
    "seq-unchecked",
    "INV-2",
    [FOLD, MODEL],
    [
      lua("fold"),
      `elseif seq <= process.seq then
    did.skipped = did.skipped + 1
    return
  elseif process.state == 'live' and seq ~= process.seq + 1 then`,
      "elseif false then",
    ],
  ),
  mutant(
    "group-not-moved",
    "INV-2",
    [FOLD, MODEL],
    [lua("fold"), "  forget(last_id)\n", "  call('XGROUP', 'SETID', RECORDS, GROUP, '0')\n"],
  ),
  mutant(
    "folded-twice",
    "INV-2",
    [FOLD, MODEL],
    [
      lua("fold"),
      "    local reason = apply(record, number)\n",
      "    local reason = apply(record, number) or apply(record, number)\n",
    ],
  ),
  mutant(
    "changes-after-the-point-of-no-return",
    "INV-2",
    [FOLD, TYPES],
    [lua("fold"), "  write_plan_ahead(plan)\n  rewind = nil\n", "  rewind = nil\n  write_plan_ahead(plan)\n"],
  ),
  mutant(
    "counts-before-changes",
    "INV-4",
    [FOLD, TYPES],
    [
      lua("fold"),
      "  save_leases()\n  set_aside()\n  write_plan_ahead(plan)\n",
      "  save_leases()\n  set_aside()\n  write_plan(plan)\n  write_plan_ahead(plan)\n",
    ],
  ),
  mutant(
    "not-put-back",
    "INV-2",
    [FOLD, TYPES],
    [lua("commands"), "if rewind then call('XGROUP', 'SETID', RECORDS, GROUP, rewind) elseif", "if"],
  ),
  mutant(
    "tombstone-missing",
    "INV-2",
    [FOLD, MODEL],
    [lua("reap"), "call('PEXPIRE', process.key, TOMBSTONE_MS)", "call('DEL', process.key)"],
  ),
  mutant(
    "gap-not-fenced",
    "INV-3",
    [FOLD, MODEL],
    [lua("fold"), "elseif process.state == 'live' and seq ~= process.seq + 1 then", "elseif false then"],
  ),
  mutant(
    "no-check-digit",
    "INV-3",
    [FOLD, MODEL],
    [lua("careful"), "if anonymous < 0 or sockets ~= record.sockets then", "if anonymous < 0 then"],
  ),
  mutant(
    "negative-counts",
    "INV-1",
    [FOLD, MODEL],
    [lua("careful"), "      if (before[place] or 0) + net[place] < 0 then\n", "      if false then\n"],
  ),
  mutant(
    "a-count-below-zero-goes-unnoticed",
    "INV-1",
    [FOLD, MODEL],
    [lua("fold"), "  if ordinary and not falls_short() then\n", "  if ordinary then\n"],
  ),
  mutant(
    "sums-are-believed-whatever-the-check-digit",
    "INV-3",
    [FOLD, MODEL],
    [lua("parse"), "sockets ~= sockets_now or ", ""],
  ),
  mutant(
    "sums-are-believed-after-a-gap",
    "INV-3",
    [FOLD, MODEL],
    [lua("parse"), "seq ~= process.seq_read + 1 or ", ""],
  ),
  mutant(
    "sums-are-kept-when-starting-over",
    "INV-2",
    [FOLD, MODEL],
    [
      lua("careful"),
      "  for at = 1, positions do net[at] = 0 end\n",
      "  for at = 1, positions do net[at] = net[at] or 1 end\n",
    ],
  ),
  mutant(
    "guests-taken-for-owners",
    "INV-1",
    [FOLD, MODEL],
    [lua("parse"), "    if owner_of(at) == process then return at end\n", "    do return at end\n"],
  ),
  mutant(
    "zero-counts-kept",
    "INV-1",
    [FOLD, MODEL],
    [lua("counts"), "    variadic('HDEL', share.key, share.gone, share.goes)\n", ""],
  ),
  mutant(
    "told-twice",
    "INV-4",
    [FOLD, REAP, MODEL],
    [lua("change"), "  entry, values, last_cause = {}, 0, nil\n", "  last_cause = nil\n"],
  ),
  mutant(
    "grace-not-cancelled",
    "INV-4",
    [REAP, MODEL],
    [lua("change"), "  variadic('ZREM', LEAVING, plan.back, plan.backs)\n", ""],
  ),
  mutant(
    "grace-puts-out-who-is-back",
    "INV-1",
    [REAP, MODEL],
    [lua("expire"), "    if held[i] == '0' then", "    if held[i] then"],
  ),
  mutant(
    "ids-not-clamped-to-the-clock",
    "INV-5",
    [REAP, MODEL],
    [lua("read"), "parse(fields, at < now and at or now)", "parse(fields, at)"],
  ),
  mutant(
    "grace-for-the-reaped",
    "INV-5",
    [REAP, MODEL],
    [
      lua("reap"),
      "local keep = process.cause ~= 'reap' and process.grace > 0",
      "local keep = process.grace > 0",
    ],
  ),
  mutant(
    "leases-never-run-out",
    "INV-5",
    [REAP, MODEL],
    [lua("reap"), "    if deadline > now then\n", "    if deadline > 0 then\n"],
  ),
  mutant(
    "a-clock-that-goes-back-is-not-followed",
    "INV-5",
    [REAP, MODEL],
    ["src/lua/project.lua", "\nfollow_clock()\n", "\n"],
  ),
  mutant(
    "reaper-before-the-log-is-drained",
    "INV-6",
    [MODEL],
    ["src/lua/project.lua", "if drained then\n", "if true then\n"],
  ),
  mutant(
    "leases-move-back",
    "INV-6",
    [REAP, MODEL],
    [lua("process"), "pcall('ZADD', PROCESSES, 'GT', unpack(", "pcall('ZADD', PROCESSES, unpack("],
  ),
  mutant(
    "a-hold-holds-nothing",
    "INV-6",
    [REAP, MODEL],
    [lua("reap"), "    if deadline > 0 and not MAY_REAP then", "    if false then"],
  ),
  mutant(
    "reaper-without-a-budget",
    "INV-7",
    [REAP],
    [lua("reap"), "give_back(process, floor((BUDGET - work) / 2) + 1)", "give_back(process, 1000000)"],
  ),
  mutant(
    "fold-without-a-budget",
    "INV-7",
    [FOLD, MODEL],
    [lua("read"), "  until work >= BUDGET / 2\n", "  until false\n"],
  ),
  mutant(
    "slices-of-the-whole-budget",
    "INV-7",
    [FOLD, MODEL],
    [lua("read"), "floor((BUDGET - work) / (OPERATIONS_MAX + 1))", "floor(BUDGET / (OPERATIONS_MAX + 1))"],
  ),
  mutant(
    "reader-that-writes",
    "INV-8",
    ["test/unit/reader/reader.test.ts"],
    [
      "src/reader/as-of.ts",
      `    ["XLEN", keys.records],\n`,
      `    ["XTRIM", keys.records, "MAXLEN", "1000"] as never,\n`,
    ],
  ),
  mutant(
    "journal-keeps-what-cancels-out",
    "INV-9",
    [JOURNAL],
    ["src/core/journal.ts", "    if (known.delta === 0) this.#pending.delete(user);\n", ""],
  ),
  mutant(
    "replaces-before-all-is-stated",
    "INV-3",
    [JOURNAL],
    [
      "src/core/journal.ts",
      "complete && this.#restating ? this.#replaces : []",
      "this.#restating ? this.#replaces : []",
    ],
  ),
  mutant(
    "any-token-will-do",
    "INV-10",
    [TURNS],
    [lua("read"), "if TOKEN ~= decimal[token] then return false end", "if TOKEN == '' then return false end"],
  ),
  mutant(
    "any-place-in-the-log-will-do",
    "INV-10",
    [TURNS],
    [lua("read"), "if not head[1] or head[1][1] ~= ids[1] then return false end\n", ""],
    [lua("read"), "  if #pending ~= count then return false end\n", ""],
  ),
  mutant(
    "a-gap-will-do",
    "INV-10",
    [TURNS],
    [lua("read"), "  if #pending ~= count then return false end\n", ""],
    [lua("read"), "    if pending[i][1] ~= ids[i] then return false end\n", ""],
  ),
  mutant(
    "turns-overlap",
    "INV-10",
    [TURNS],
    [lua("turn"), "    if turn_ends > now and turn_ends <= now + TURN_MS then return false end\n", ""],
  ),
  mutant(
    "a-call-that-ended-early-leaves-nothing-due",
    "INV-5",
    [SWEEP],
    [lua("totals"), "decimal[idle and (due or -1) or now]", "decimal[due or -1]"],
  ),
  mutant(
    "a-look-believes-any-clock",
    "INV-5",
    [SWEEP],
    ["src/projector/look.ts", "Number(ran) <= now && ", ""],
  ),
  mutant(
    "a-look-is-sure-of-a-clock-it-does-not-know",
    "INV-5",
    [SWEEP],
    ["src/projector/look.ts", "now + UNSURE_MS : now", "now : now"],
  ),
  mutant(
    "a-look-does-not-see-records",
    "INV-5",
    [SWEEP],
    ["src/projector/look.ts", " || Number(length) !== 0", ""],
  ),
  mutant(
    "a-new-seq-on-retry",
    "INV-2",
    [RECORDER],
    ["src/recorder/shard.ts", "        failures++;\n", "        failures++;\n        record = undefined;\n"],
  ),
  mutant(
    "never-registers-afresh",
    "INV-6",
    [RECORDER],
    ["src/recorder/shard.ts", "    this.journal.restate(this.#newId());\n", ""],
  ),
  mutant(
    "the-first-loss-counts",
    "INV-6",
    [SCHEDULE],
    ["src/core/schedule.ts", "this.#lostAt === undefined || at > this.#lostAt", "this.#lostAt === undefined"],
  ),
  mutant(
    "a-loss-is-no-reason-to-hold",
    "INV-6",
    [SCHEDULE],
    ["src/core/schedule.ts", "    return this.#holdLeft(now) === 0;\n", "    return now >= 0;\n"],
  ),
  mutant(
    "disconnect-handler-after-the-await",
    "INV-3",
    ["test/unit/recorder/socket-io.test.ts"],
    ["src/recorder/socket-io.ts", `    socket.once("disconnect", entry.onDisconnect);\n`, ""],
    [
      "src/recorder/socket-io.ts",
      "      (id) => settle(socket, entry, id),\n",
      `      (id) => (socket.once("disconnect", entry.onDisconnect), settle(socket, entry, id)),\n`,
    ],
    [
      "src/recorder/socket-io.ts",
      "      settle(socket, entry, answer);\n",
      `      socket.once("disconnect", entry.onDisconnect);\n      settle(socket, entry, answer);\n`,
    ],
  ),
  mutant(
    "gap-not-seen",
    "INV-11",
    [CONFORMANCE, CHANGES],
    ["src/reader/changes.ts", "entries.shift()?.id !== at", "entries.shift() === undefined"],
  ),
  mutant(
    "limit-cuts-an-entry",
    "INV-11",
    [CONFORMANCE, CHANGES],
    ["src/reader/changes.ts", "      at = id;\n", "      at = entries.at(-1)!.id;\n"],
  ),
  mutant(
    "between-two-ids-is-known",
    "INV-11",
    [CHANGES],
    [
      "src/http/feed.ts",
      "    return unknown.size === 0;",
      "    return isBefore(decodeChangesCursor(end, this.#shards)[0]!, ids[0]!) === false;",
    ],
  ),
  mutant(
    "followers-share-a-place",
    "INV-11",
    [CHANGES],
    [
      "src/http/feed.ts",
      "if (isBefore(ids[shardOf(change.user, this.#shards)]!, change.id)) changes.push(change);",
      "changes.push(change);",
    ],
  ),
  mutant(
    "stream-begins-anew",
    "INV-11",
    [EVENTS],
    [
      "src/http/routes/changes.ts",
      "reader.changes(lastEventId(c) ?? after, pace.counting)",
      "reader.changes(after, pace.counting)",
    ],
  ),
  mutant(
    "a-gap-goes-unnoticed",
    "INV-13",
    [FOLLOW],
    ["src/follow/tail.ts", "        if (proved) continue;\n", "        if (proved || true) continue;\n"],
  ),
  mutant(
    "only-a-lost-connection-makes-doubt",
    "INV-13",
    [FOLLOW],
    ["src/follow/tail.ts", "        doubt(i);\n", ""],
  ),
  mutant(
    "the-start-speaks-for-what-came-later",
    "INV-13",
    [FOLLOW],
    ["src/follow/tail.ts", "(unproved.get(i) ?? STREAM_START) === STREAM_START", "!unproved.has(i)"],
  ),
  mutant(
    "only-the-last-place-proves-itself",
    "INV-13",
    [FOLLOW],
    ["src/follow/tail.ts", "        doubt(i);\n", "        unproved.set(i, at[i]);\n"],
  ),
  mutant(
    "who-is-missing-is-told-at-once",
    "INV-13",
    [FOLLOW],
    [
      "src/follow/mirror.ts",
      "if (own.started) own.settles = runtime.now() + own.ttl;",
      "if (own.started) own.settles = 0;",
    ],
  ),
  mutant(
    "a-loss-leaves-the-time-to-settle",
    "INV-13",
    [FOLLOW],
    ["src/follow/mirror.ts", `if (own.state.phase === "settling") own.settles =`, "if (false) own.settles ="],
  ),
  mutant(
    "told-online-twice",
    "INV-13",
    [FOLLOW],
    ["src/core/mirror.ts", "      if (!known) this.#emit(change);\n", "      this.#emit(change);\n"],
  ),
  mutant(
    "who-left-in-a-gap-is-not-told",
    "INV-13",
    [FOLLOW],
    [
      "src/core/mirror.ts",
      "if (!this.#silent) this.#emit(change);",
      "if (this.#held.size > 0) this.#emit(change);",
    ],
  ),
  mutant(
    "who-came-in-a-gap-is-not-told",
    "INV-13",
    [FOLLOW],
    ["src/core/mirror.ts", "if (!known && !this.#silent) this.#emit", "if (false) this.#emit"],
  ),
];

/** All mutants. */
import { CLI_MUTANTS } from "./cli.ts";
import { ACCESS_MUTANTS } from "./access.ts";
import { DOCTOR_MUTANTS } from "./doctor.ts";
import { LIVE_MUTANTS } from "./live.ts";
import { BROWSER_TOKENS_MUTANTS } from "./browser-tokens.ts";
import { DOCS_MUTANTS } from "./docs.ts";
import { DASHBOARD_MUTANTS } from "./dashboard.ts";
import { WEBHOOK_MUTANTS } from "./webhooks.ts";
import { MAC_MUTANTS } from "./mac.ts";
import { MEMBERSHIP_MUTANTS } from "./memberships.ts";
import { type Mutant, mutant } from "./mutant.ts";
import { OUTAGE_MUTANTS } from "./outages.ts";
import { PAST_MUTANTS } from "./past.ts";
import { READER_MUTANTS } from "./reader.ts";
import { REDIS_MUTANTS } from "./redis.ts";
import { SCOPE_MUTANTS } from "./scopes.ts";
import { FOLLOW_MUTANTS } from "./follow.ts";
import { HISTORY_MUTANTS } from "./history.ts";
import { RETENTION_MUTANTS } from "./retention.ts";
import { ROOM_MUTANTS } from "./rooms.ts";
import { SOCKET_ID_MUTANTS } from "./socket-ids.ts";
import { USER_ROOM_MUTANTS } from "./user-rooms.ts";
import { SCOPES_HTTP_MUTANTS } from "./scopes-http.ts";
import { SUBSCRIBER_MUTANTS } from "./subscribers.ts";
import { TELEMETRY_MUTANTS } from "./telemetry.ts";

const FOLD = "test/unit/lua/fold.test.ts";
const REAP = "test/unit/lua/reap.test.ts";
const LEVEL = "test/unit/lua/level.test.ts";
const BATCHING = "test/unit/lua/batching.test.ts";
const REGRESSIONS = "test/hostile/regressions.test.ts";
const MODEL = "test/model/model.test.ts";
const JOURNAL = "test/unit/core/journal.test.ts";
const NETTING = "test/unit/core/netting.test.ts";
const CONFORMANCE = "test/unit/redis/ports.test.ts";
const CHANGES = "test/unit/http/changes.test.ts";
const EVENTS = "test/unit/http/events.test.ts";
const RECORDER = "test/unit/recorder/recorder.test.ts";
const TURN = "test/unit/recorder/turn.test.ts";
const PROJECTING = "test/unit/recorder/projecting.test.ts";
const PACE = "test/unit/core/pace.test.ts";
const REGISTRATION = "test/unit/recorder/registration.test.ts";
const SOCKET_IO = "test/unit/recorder/socket-io.test.ts";
const ATTACH = "test/unit/recorder/sockets/attach.test.ts";
const HISTORIES = "test/unit/recorder/sockets/histories.test.ts";
const SWEEP = "test/unit/projector/sweep.test.ts";
const FOLLOW = "test/unit/follow/random.test.ts";
const VERIFY = "test/unit/projector/verify.test.ts";
const SIMULATION = "test/simulation/simulation.test.ts";
const SCHEDULE = "test/unit/core/schedule.test.ts";

const lua = (part: string) => `src/lua/project/${part}.lua`;

export const MUTANTS: readonly Mutant[] = [
  mutant(
    "seq-unchecked-quick",
    "INV-2",
    [FOLD, MODEL],
    [lua("quick"), "if f[4] ~= format('%d', seq) then why = 'seq' break end", ""],
  ),
  mutant(
    "seq-unchecked",
    "INV-2",
    [FOLD, MODEL],
    [lua("fold"), "elseif record.seq <= p.seq then", "elseif false then"],
    [lua("fold"), "record.seq ~= p.seq + 1 and", "false and"],
  ),
  mutant(
    "group-not-moved-back",
    "INV-2",
    [FOLD, MODEL],
    [
      lua("quick"),
      "  if taken < last_entry and not BY_RANGE then call('XGROUP', 'SETID', RECORDS, 'projector', folded) end\n",
      "",
    ],
    [lua("head"), "if not BY_RANGE and call('XLEN', RECORDS) > 0 then why = 'place' end", ""],
  ),
  mutant(
    "a-moved-group-is-believed",
    "INV-2",
    [LEVEL],
    [lua("head"), "if not BY_RANGE and call('XLEN', RECORDS) > 0 then why = 'place' end", ""],
  ),
  mutant(
    "the-head-of-the-log-is-not-looked-at",
    "INV-2",
    [LEVEL, MODEL],
    [lua("fold"), "if head[1] and head[1][1] ~= entries[1][1] then", "if false then"],
    [lua("open"), "  if not entries then to_head() end\n", ""],
  ),
  mutant(
    "folded-and-not-taken-off",
    "INV-2",
    [FOLD],
    [lua("quick"), "  call('XTRIM', RECORDS, 'MINID', ms .. '-' .. format('%.0f', seq + 1))\n", ""],
  ),
  mutant(
    "tombstone-missing",
    "INV-2",
    [FOLD, MODEL],
    [lua("fold"), "or p and p.state == 'ended' then", "then"],
  ),
  mutant(
    "no-tombstone-for-the-unheard",
    "INV-2",
    [LEVEL, MODEL],
    [lua("fold"), "elseif other == false and id ~= p.id then preclude(id) end", "end"],
  ),
  mutant(
    "leases-are-written-last",
    "INV-1",
    [REGRESSIONS],
    [lua("quick"), "  call('ZADD', PROCESSES, 'GT', unpack(leases))\n", ""],
    [
      lua("quick"),
      "  folded = entries[taken][1]\n",
      "  call('ZADD', PROCESSES, 'GT', unpack(leases))\n  folded = entries[taken][1]\n",
    ],
  ),
  mutant("fenced-and-not-told", "INV-6", [RECORDER], [lua("fold"), "  else t.unheard = 1 end", "  end"]),
  mutant("unheard-of-a-record-before", "INV-2", [MODEL], [lua("fold"), "    t.unheard = nil\n", ""]),
  mutant(
    "fenced-and-does-not-listen",
    "INV-6",
    [RECORDER],
    ["src/recorder/sender.ts", "if (forgot && !looks) this.renew();", ""],
  ),
  mutant(
    "fenced-and-does-not-listen-to-a-fold-of-its-own",
    "INV-6",
    [RECORDER],
    [
      "src/recorder/projecting.ts",
      "if (result.unheard && result.foldedId === this.#lastId) this.#own.onUnheard();",
      "",
    ],
  ),
  mutant("gap-not-fenced", "INV-3", [FOLD, MODEL], [lua("fold"), "record.seq ~= p.seq + 1 and", "false and"]),
  mutant(
    "no-check-digit",
    "INV-3",
    [FOLD, MODEL],
    [lua("fold"), "if not reason and open ~= record.sockets then", "if false then"],
  ),
  mutant(
    "no-check-digit-quick",
    "INV-3",
    [FOLD, MODEL],
    [lua("quick"), "if p.sockets + sum ~= declared then why = 'check digit' break end", ""],
  ),
  mutant(
    "negative-counts",
    "INV-1",
    [FOLD, MODEL],
    [lua("steps"), "elseif not v or v == '0' then return false", "elseif not v or v == '0' then return true"],
  ),
  mutant(
    "negative-counts-quick",
    "INV-1",
    [FOLD, MODEL],
    [
      lua("quick"),
      "elseif not v or v == '0' then why = 'negative' break",
      "elseif not v or v == '0' then v = false",
    ],
  ),
  mutant(
    "half-of-a-record-is-kept",
    "INV-1",
    [FOLD, MODEL],
    [lua("fold"), "      is[one[1]], cause_of[one[1]], keep_of[one[1]] = one[2], one[3], one[4]\n", ""],
  ),
  mutant(
    "guests-taken-for-owners",
    "INV-1",
    [FOLD, MODEL],
    [lua("apply"), "    if s == slot then\n", "    if s == slot or not found then\n"],
  ),
  mutant(
    "zero-counts-kept",
    "INV-1",
    [FOLD, MODEL],
    [lua("quick"), "  if gone then call('HDEL', USERS, unpack(gone, 1, goes)) end\n", ""],
  ),
  mutant(
    "told-again-in-the-next-phase",
    "INV-4",
    [REAP, MODEL],
    [lua("expire"), "  start_steps()\n  look_up(ids)\n", "  look_up(ids)\n"],
  ),
  mutant(
    "each-connect-is-told",
    "INV-4",
    [FOLD, MODEL],
    [lua("quick"), "            if not was then\n", "            if true then\n"],
  ),
  mutant(
    "grace-not-cancelled",
    "INV-4",
    [REAP, MODEL],
    [lua("quick"), "        elseif was == '0' then\n", "        elseif false then\n"],
  ),
  mutant(
    "nobody-misses-what-is-told-of-processes",
    "INV-13",
    [LEVEL],
    [lua("open"), "elseif described < registered then", "elseif false then"],
  ),
  mutant(
    "beside-a-newer-projector-ours-goes-on",
    "INV-2",
    [SIMULATION],
    [lua("open"), "if t[2] and tonumber(t[2]) >", "if false and tonumber(t[2]) >"],
  ),
  mutant(
    "records-of-the-next-version-are-taken",
    "INV-2",
    [SIMULATION],
    [lua("parse"), "if name == 'protocol' and record.protocol >", "if false and record.protocol >"],
  ),
  mutant(
    "nobody-checks-that-the-holder-folds",
    "INV-5",
    [PACE, SIMULATION],
    [
      "src/core/pace.ts",
      "this.#open = { id, checkAt: this.#open?.checkAt ?? now + CHECK_FOLDED_MS };",
      "this.#open = undefined;",
    ],
  ),
  mutant(
    "a-turn-that-was-not-read-is-not-checked",
    "INV-5",
    [PACE],
    ["src/core/pace.ts", "return !this.#isHeld(msOf(id));", "return false;"],
  ),
  mutant(
    "under-load-the-check-never-comes",
    "INV-5",
    [PACE, SIMULATION],
    ["src/core/pace.ts", "this.#open?.checkAt ?? now + CHECK_FOLDED_MS", "now + CHECK_FOLDED_MS"],
  ),
  mutant(
    "a-record-that-was-lost-is-looked-for",
    "INV-5",
    [PACE],
    ["src/core/pace.ts", "this.#open = undefined;\n    if (this.#every === 0", "if (this.#every === 0"],
  ),
  mutant(
    "a-call-that-fails-is-made-again-at-once",
    "INV-7",
    [TURN],
    [
      "src/recorder/projecting.ts",
      "be tried again at once.\n    this.pace.reset();\n",
      "be tried again at once.\n",
    ],
  ),
  mutant(
    "without-a-deadline-nobody-calls",
    "INV-5",
    [PROJECTING],
    ["src/recorder/projecting.ts", "if (result.due === null) this.#schedule", "if (false) this.#schedule"],
  ),
  mutant(
    "a-turn-that-is-over-is-believed",
    "INV-5",
    [PACE, SIMULATION],
    ["src/core/pace.ts", "if (left > 0 && left <= TURN_MS) return true;", "if (left < 1e9) return true;"],
  ),
  mutant(
    "grace-that-is-over-waits-for-a-call",
    "INV-5",
    [REAP],
    [
      lua("quick"),
      "  if (enter or rooms) and due >= 0 and due <= now and taken == last_entry",
      "  if false and taken == last_entry",
    ],
  ),
  mutant(
    "grace-puts-out-who-is-back",
    "INV-1",
    [REAP, MODEL],
    [lua("expire"), "    if is[ids[i]] == '0' then", "    if true then"],
  ),
  mutant(
    "ids-not-clamped-to-the-clock",
    "INV-5",
    [REAP, MODEL],
    [lua("fold"), "    if at > now then at = now end\n", ""],
    [lua("quick"), "    if at > now then at = now end\n", ""],
  ),
  mutant(
    "grace-for-the-reaped",
    "INV-5",
    [REAP, MODEL],
    [lua("steps"), "local keep = p.cause ~= 'reap' and p.grace > 0", "local keep = p.grace > 0"],
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
    [lua("careful"), "  follow_clock()\n", ""],
  ),
  mutant(
    "the-fenced-renew-their-lease",
    "INV-5",
    [REAP],
    [
      lua("fold"),
      "  if p.state == 'live' then\n    p.lease",
      "  do\n    if p.state == 'fenced' then p.state = 'live' end\n    p.lease",
    ],
  ),
  mutant(
    "reaper-before-the-log-is-drained",
    "INV-6",
    [MODEL],
    [lua("careful"), "  if drained then\n", "  if true then\n"],
  ),
  mutant(
    "leases-move-back",
    "INV-6",
    [REAP, MODEL],
    [
      lua("quick"),
      "call('ZADD', PROCESSES, 'GT', unpack(leases))",
      "call('ZADD', PROCESSES, unpack(leases))",
    ],
    [lua("states"), "call('ZADD', PROCESSES, 'GT', p.lease", "call('ZADD', PROCESSES, p.lease"],
  ),
  mutant(
    "a-hold-holds-nothing",
    "INV-6",
    [REAP, MODEL],
    [lua("reap"), "    elseif p.state ~= 'ended' and not MAY_REAP then", "    elseif false then"],
  ),
  mutant(
    "quick-although-a-lease-ran-out",
    "INV-5",
    [REAP, MODEL],
    [lua("head"), "if not why and due >= 0 and due <= now and", "if not why and false and"],
  ),
  mutant(
    "a-pass-in-one-slice",
    "INV-7",
    [REAP],
    [lua("reap"), "elseif limit > SLICE_MAX then limit = SLICE_MAX end\n", "else limit = 1000000 end\n"],
  ),
  mutant(
    "reaper-without-a-budget",
    "INV-7",
    [REAP, MODEL],
    [lua("reap"), "    if work >= budget / 2 then return true end\n", ""],
  ),
  mutant(
    "fold-without-a-budget",
    "INV-7",
    [FOLD, MODEL],
    [lua("fold"), "    if work >= budget then taken = e break end\n", ""],
  ),
  mutant(
    "quick-without-a-budget",
    "INV-7",
    [FOLD, MODEL],
    [lua("quick"), "    if n + named + e >= budget then taken = e break end\n", ""],
  ),
  mutant(
    "processes-without-a-bound",
    "INV-7",
    [LEVEL],
    [lua("fold"), "    if registered >= PROCESSES_MAX then return 'too many processes' end\n", ""],
  ),
  mutant(
    "what-is-missing-goes-unnoticed",
    "INV-1",
    [LEVEL],
    [lua("open"), "    elseif present ~= users then rebuild(", "    elseif false then rebuild("],
  ),
  mutant(
    "changes-outlive-a-rebuild",
    "INV-4",
    [LEVEL],
    [lua("open"), "  call('XTRIM', CHANGES, 'MAXLEN', 0)\n", ""],
  ),
  mutant(
    "the-ended-decide-late",
    "INV-12",
    [BATCHING, MODEL],
    [lua("fold"), "  if next(dead) then\n    before = {}\n", "  if false then\n    before = {}\n"],
  ),
  mutant(
    "the-ended-are-quickly-forgotten",
    "INV-12",
    [BATCHING, MODEL],
    [lua("head"), "elseif t[19] == '1' then why = 'unfinished'", "elseif false then why = 'unfinished'"],
  ),
  mutant(
    "only-the-last-step-counts-for-grace",
    "INV-12",
    [BATCHING, MODEL],
    [lua("quick"), "          if stay and stay[id] then\n", "          if stay and stay[id] and was then\n"],
  ),
  mutant(
    "the-longest-grace-wins",
    "INV-12",
    [BATCHING, MODEL],
    [
      lua("steps"),
      "tonumber(p.at) > tonumber(last.at) or p.at == last.at and keep > keep_of[id]",
      "keep > keep_of[id]",
    ],
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
    "reader-clock-that-is-taken",
    "INV-8",
    ["test/unit/reader/reader.test.ts"],
    ["src/reader/clock.ts", '["GET", this.#key],', '["GETDEL" as "GET", this.#key],'],
  ),
  mutant(
    "journal-keeps-what-cancels-out",
    "INV-9",
    [JOURNAL],
    ["src/core/ledger.ts", 'if (this.#open.has(user) || user === "") {', 'if (user === "") {'],
  ),
  mutant(
    "who-is-gone-is-kept-for-ever",
    "INV-9",
    [JOURNAL],
    ["src/core/ledger.ts", "if (gone.size > GONE_MAX)", "if (gone.size < 0)"],
  ),
  mutant(
    "goodbye-netted-away",
    "INV-3",
    [JOURNAL],
    ["src/core/ledger.ts", 'if (this.#open.has(user) || user === "") {', 'if (this.#open.has(user) || user === "" || pending.departure === "leave") {'],
  ), // prettier-ignore
  mutant(
    "a-drop-netted-away",
    "INV-12",
    [NETTING],
    ["src/core/ledger.ts", 'if (this.#open.has(user) || user === "") {', 'if (this.#open.has(user) || user === "" || pending.departure === "disconnect") {'],
  ), // prettier-ignore
  mutant(
    "who-came-and-went-is-forgotten-at-a-registration",
    "INV-3",
    [JOURNAL],
    ["src/core/ledger.ts", "if (pending.delta !== 0) this.#end(pending);", "this.#end(pending);"],
  ), // prettier-ignore
  mutant(
    "the-first-departure-counts",
    "INV-3",
    [JOURNAL],
    ["src/core/ledger.ts", "pending.departure = departure;", "pending.departure ??= departure;"],
  ),
  mutant(
    "bye-before-all-is-stated",
    "INV-3",
    [JOURNAL],
    ["src/core/journal.ts", "bye && complete && this.#closing?.size === 0", "bye && complete"],
  ),
  mutant(
    "records-cut-by-count-alone",
    "INV-7",
    [JOURNAL],
    [
      "src/core/record-lists.ts",
      "if (this.#operations === OPERATIONS_MAX || this.#bytes[name] + bytes > LIST_BYTES_MAX) return false;",
      "if (this.#operations === OPERATIONS_MAX) return false;",
    ],
  ),
  mutant(
    "replaced-are-forgotten-too-early",
    "INV-3",
    [JOURNAL],
    ["src/core/journal.ts", "!this.#restating && seq >= this.#restatedBy", "!this.#restating && seq > 0"],
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
    "a-look-trusts-what-is-due",
    "INV-3",
    [SWEEP],
    ["src/projector/look.ts", "if (Number(leases) === -1 && Number(users ?? 0) > 0) return BUSY;", ""],
  ),
  mutant(
    "users-without-an-end-stay",
    "INV-3",
    ["test/simulation/subscribers.test.ts"],
    ["src/lua/project/head.lua", "if busy or stuck or now", "if busy or now"],
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
    "the-last-record-is-watched-alone",
    "INV-6",
    [RECORDER, REGISTRATION],
    ["src/recorder/registration.ts", "[this.#kept, last].some", "[last].some"],
  ),
  mutant(
    "a-log-made-anew-is-not-noticed",
    "INV-6",
    [REGISTRATION],
    ["src/recorder/registration.ts", " || isBefore(last.id, this.#kept.id)", ""],
  ),
  mutant(
    "state-is-read-before-the-log",
    "INV-6",
    [REGISTRATION],
    [
      "src/recorder/registration.ts",
      `    ["HMGET", keys.totals, "folded", "shards", "mac"],
    ["HMGET", keys.states, process],
`,
      `    ["HMGET", keys.states, process],
    ["HMGET", keys.totals, "folded", "shards", "mac"],
`,
    ],
  ),
  mutant(
    "shards-are-not-compared",
    "INV-3",
    [RECORDER],
    [
      "src/recorder/sender.ts",
      "if (found !== String(shards)) throw shardsMismatch(found, shards);",
      "if (found === String(-shards)) throw shardsMismatch(found, shards);",
    ],
  ),
  mutant(
    "sockets-are-not-compared",
    "INV-3",
    [SOCKET_IO],
    ["src/recorder/socket-io.ts", "      went(socket, silentDepartureOf(socket));\n", ""],
  ),
  mutant(
    "a-socket-with-a-closed-connection-is-open",
    "INV-3",
    [ATTACH],
    ["src/recorder/sockets/level.ts", ` && conn.readyState !== "closed"`, ` && conn.readyState !== ""`],
  ),
  mutant(
    "a-goodbye-is-heard-last",
    "INV-3",
    [ATTACH],
    [
      "src/recorder/socket-io.ts",
      `tracked?.(socket);\n    socket.prependListener(`,
      "tracked?.(socket);\n    socket.on(",
    ],
  ),
  mutant(
    "what-has-gone-comes-back",
    "INV-3",
    [ATTACH],
    ["src/recorder/sockets/tracked.ts", "    this.#gone.add(socket);\n", ""],
  ),
  mutant(
    "an-unheard-goodbye-is-a-drop",
    "INV-3",
    [SOCKET_IO],
    ["src/recorder/sockets/level.ts", `conn.readyState === "open" ?`, `conn.readyState === "" ?`],
  ),
  mutant(
    "a-comparison-takes-one-turn",
    "INV-3",
    [ATTACH],
    ["src/recorder/socket-io.ts", "const SLICE = 1_000;", "const SLICE = 1_000_000;"],
  ),
  mutant(
    "a-user-function-is-waited-for-without-end",
    "INV-3",
    [ATTACH],
    ["src/recorder/sockets/users.ts", "if (at > overdue) return;", "if (at >= overdue - USER_MS) return;"],
  ),
  mutant(
    "removed-namespaces-are-held",
    "INV-9",
    [HISTORIES],
    [
      "src/recorder/sockets/namespaces.ts",
      "  readonly #judged = new WeakMap<Namespace, boolean>();",
      "  readonly #judged = new Map<Namespace, boolean>();",
    ],
  ),
  mutant(
    "two-presences-count-twice",
    "INV-3",
    [SOCKET_IO],
    ["src/presence/presence.ts", "if (prefixes.has(prefix)) {", "if (prefixes.has(` ${prefix}`)) {"],
  ),
  mutant(
    "missed-sockets-are-not-counted",
    "INV-3",
    [SOCKET_IO],
    ["src/recorder/socket-io.ts", "        if (!tracked.has(socket)) found(socket);\n", ""],
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
    "a-socket-is-listened-to-once-its-user-is-known",
    "INV-3",
    [SOCKET_IO],
    [
      "src/recorder/socket-io.ts",
      `tracked?.(socket);\n    socket.prependListener("disconnecting", onDisconnecting);\n`,
      "tracked?.(socket);\n",
    ],
    [
      "src/recorder/socket-io.ts",
      `    if (!isOpen(socket)) return;\n    tracked.settle(socket, id, "leave");`,
      `    socket.prependListener("disconnecting", onDisconnecting);\n    tracked.settle(socket, id, "leave");`,
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
    ["src/http/routes/changes.ts", "const given = lastEventId(c) ?? after;", "const given = after;"],
  ),
  ...MAC_MUTANTS,
  ...MEMBERSHIP_MUTANTS,
  ...PAST_MUTANTS,
  ...SUBSCRIBER_MUTANTS,
  ...TELEMETRY_MUTANTS,
  ...READER_MUTANTS,
  ...REDIS_MUTANTS,
  ...SCOPE_MUTANTS,
  ...OUTAGE_MUTANTS,
  ...ACCESS_MUTANTS,
  ...DOCTOR_MUTANTS,
  ...BROWSER_TOKENS_MUTANTS,
  ...CLI_MUTANTS,
  ...DOCS_MUTANTS,
  ...WEBHOOK_MUTANTS,
  ...HISTORY_MUTANTS,
  ...RETENTION_MUTANTS,
  ...ROOM_MUTANTS,
  ...SOCKET_ID_MUTANTS,
  ...USER_ROOM_MUTANTS,
  ...LIVE_MUTANTS,
  ...FOLLOW_MUTANTS,
  ...SCOPES_HTTP_MUTANTS,
  ...DASHBOARD_MUTANTS,
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
      "src/follow/views.ts",
      "else part.settles = runtime.now() + SETTLE_LEASES * streams[shard]!.ttl;",
      "else part.settles = 0;",
    ],
  ),
  mutant(
    "a-loss-leaves-the-time-to-settle",
    "INV-13",
    [FOLLOW],
    [
      "src/follow/views.ts",
      `if (part.state.phase === "settling")\n          part.settles =`,
      "if (false)\n          part.settles =",
    ],
  ),
  mutant(
    "a-loss-between-two-reads-is-unnoticed",
    "INV-13",
    [FOLLOW],
    [
      "src/follow/tail.ts",
      " || connection.reconnectedAt !== since) await proveAfterLoss",
      ") await proveAfterLoss",
    ],
    [
      "src/follow/tail.ts",
      "level !== undefined && connection.reconnectedAt !== since",
      "level !== undefined && signal.aborted",
    ],
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
    "verify-passes-slots-of-nobody",
    "INV-1",
    [VERIFY],
    ["src/lua/verify.lua", "if bad or good ~= all then", "if bad then"],
  ),
  mutant(
    "verify-keeps-wrong-totals",
    "INV-1",
    [VERIFY],
    ["src/lua/verify.lua", "then call('HSET', TOTALS, name, expected[name]) end", "then end"],
  ),
  mutant(
    "verify-fences-nobody",
    "INV-3",
    [VERIFY],
    ["src/projector/verify.ts", 'state }) => state !== "ended"', 'state }) => state === "fenced"'],
  ),
  mutant(
    "verify-compares-what-moves",
    "INV-6",
    [VERIFY],
    ["src/lua/verify.lua", "if (mark()) ~= cursor then return reply('') end", ""],
  ),
  mutant(
    "who-came-in-a-gap-is-not-told",
    "INV-13",
    [FOLLOW],
    ["src/core/mirror.ts", "if (!known && !this.#silent) this.#emit", "if (false) this.#emit"],
  ),
];

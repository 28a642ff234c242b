--[[
  project: one step of the projector. fold -> reap -> expire, atomic and bounded.

  KEYS[1]  {presence}:records    stream  the log; read through the group `projector`, by this call or by its caller
  KEYS[2]  {presence}:users      hash    user id -> open sockets, all processes; 0 while in grace
  KEYS[3]  {presence}:totals     hash    see below
  KEYS[4]  {presence}:processes  zset    process id -> lease deadline, ms; 0 once it has ended
  KEYS[5]  {presence}:leaving    zset    user in grace -> deadline, ms
  KEYS[6]  {presence}:changes    stream  transitions, capped
  KEYS[7]  {presence}:rejected   stream  records that could not be parsed, capped
  Two more keys per process are derived from ARGV[1]: `<ARGV[1]><id>` and `<ARGV[1]><id>:users`.
  They carry the hash tag of KEYS[1], so they live in its slot.

  ARGV[1]  process_prefix  `{presence}:process:`
  ARGV[2]  shards          how many shards the caller believes the prefix has
  ARGV[3]  budget          most units of work in one call: an operation, a record and a user given back or let out
                           are one unit each. Half of it may be left unused, none of it is exceeded (INV-7)
  ARGV[4]  reap            '1': leases and graces that ran out may end; '0': not yet (the caller has just reconnected)
  ARGV[5]  now_ms          '' for the clock of this Redis; a test passes its own
  ARGV[6]  reader          '': this call reads the log itself. A name: the caller reads it (client-read mode), one caller
                           at a time (see parts/turn.lua), each under a name of its own
  ARGV[7]  token           of the turn in which the entries were read; '' to ask for a turn, with no entries
  ARGV[8]… entries         each as: id, count, and as many names and values. In log order, without a gap, from the head
                           of the log; what the budget does not allow is left for later

  Returns a flat array, so that RESP2, RESP3 and REST carry it alike:
    [1] now_ms       the clock this call went by
    [2] due_ms       when there is next something to do; -1 when only a new record can bring work
    [3] more         1: the budget ended before the work did, call again; 0: idle
    [4] folded_id    id of the last record folded, ever ('0-0' before the first)
    [5] records      [6] operations   folded in this call
    [7] skipped      records of this call that had been folded before
    [8] fenced       processes fenced in this call
    [9] rejected     records set aside in this call
    [10] reaped      processes whose lease was found expired in this call
    [11] given_back  users taken off ended processes in this call
    [12] changes     transitions appended in this call
    [13] held        leases (at most 16 are looked at), and 1 for graces, that are due and were let be: ARGV[4] is '0'
    [14] left        records still in the log, when the budget or the entries ended before it did; else 0
    [15] token       client-read mode: the token of the caller's turn; -1: it is another's turn, until due_ms, and nothing
                     was done. Script mode: 0
    [16] left_over   client-read mode: entries that were passed and not folded, for lack of budget or because they are
                     not, any more, the head of the log; they are still pending

  Fails with `PRESENCE_SHARDS` when the prefix was opened with another shard count, with `PRESENCE_TYPE` when a key
  holds another type than above, and with `PRESENCE_READ` when this engine lets no script call XREADGROUP. All before
  the first write of what they would fold.

  Stops half-way? It cannot: a call is atomic, and everything that can fail is done before the first write.
]]

local RECORDS, USERS, TOTALS, PROCESSES = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local LEAVING, CHANGES, REJECTED = KEYS[5], KEYS[6], KEYS[7]
local PROCESS = ARGV[1]
local SHARDS = ARGV[2]
local BUDGET = tonumber(ARGV[3])
local MAY_REAP = ARGV[4] == '1'

local GROUP = 'projector'
local OPERATIONS_MAX = 100      -- in one record
local ID_BYTES_MAX = 256        -- of a user or process id
local TTL_MS_MAX = 3600000
local CHANGES_KEPT = 100000     -- entries of :changes, about
local REJECTED_KEPT = 1000      -- entries of :rejected, about
local TOMBSTONE_MS = 3600000    -- how long an ended process is remembered, so that a late copy of its first
                                -- record cannot bring it back
local VALUES_MAX = 4000         -- in one redis.call: unpack() fails above about 8,000
local REPLACES_MAX = 16         -- in one record
local PROCESSES_MAX = 16        -- looked at by one call of the reaper

local call, pcall = redis.call, redis.pcall
local tonumber, unpack, floor = tonumber, unpack, math.floor
local find, sub, match, format = string.find, string.sub, string.match, string.format

-- include parts/commands.lua
-- include parts/totals.lua
-- include parts/turn.lua
-- include parts/process.lua
-- include parts/parse.lua
-- include parts/read.lua
-- include parts/change.lua
-- include parts/counts.lua
-- include parts/fold.lua
-- include parts/reap.lua
-- include parts/clock.lua
-- include parts/expire.lua

if not take_turn() then return not_our_turn() end
follow_clock()
local drained = fold()
local busy = not drained
if drained then
  -- Only now: a heartbeat that is still in the log keeps its process alive (INV-6).
  busy = reap()
  if not busy then busy = expire() end
end
return finish(busy)

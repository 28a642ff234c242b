--[[
  project: one call of the projector. fold -> reap -> expire, atomic and bounded. docs/protocol.md is the specification.

  KEYS[1]  {presence}:records    stream  the log: records not folded yet; read through the group `projector`
  KEYS[2]  {presence}:users      hash    user id -> slots of the processes the user has sockets on: `3`, `3*2,7`; `0` in grace
  KEYS[3]  {presence}:totals     hash    see below
  KEYS[4]  {presence}:processes  zset    `<slot>:<process id>` -> lease deadline, ms; 0 once it has ended
  KEYS[5]  {presence}:states     hash    process id -> `<state> <seq> <sockets> <anonymous> <connections> <slot> <grace>`
  KEYS[6]  {presence}:about      hash    process id -> JSON: host, pid, version, protocol, started, ttl, reason, cause, ended
  KEYS[7]  {presence}:leaving    zset    user in grace -> deadline, ms
  KEYS[8]  {presence}:changes    stream  transitions, capped
  KEYS[9]  {presence}:rejected   stream  entries that are not valid records, capped
  KEYS[10] {presence}:ended      zset    process id -> until when it is remembered, ms
  KEYS[11] {presence}:clock      string  the time at which the key expires: with PTTL, a reader derives Redis's clock
  Scopes have further keys, made from the first one's name: docs/protocol.md, "Scopes". They are in the same slot of a Cluster; Upstash
  locks the whole database for a script.

  ARGV[1]  shards    the caller's number of shards
  ARGV[2]  budget    approximate limit on units of work per call: an operation, a record, or a user checked by the reaper or
                     removed is one each. One record may exceed it (INV-7)
  ARGV[3]  reap      '1': expired leases and graces may end; '0': not yet (the caller has just reconnected)
  ARGV[4]  now_ms    '' for the clock of this Redis; tests pass their own
  ARGV[5]  caller    the caller's name, for the turn (pace); '' for a caller that takes no turn
  ARGV[6]  read      'group', or 'range' for an engine that does not let scripts call XREADGROUP
  ARGV[7]  check     '': the level check runs once a second; '1': in this call; '2': also check first that this user may run
                     every command that a call may need, so that nothing is left half written
  ARGV[8]  says      'last' gives the turn back: the caller is closing; 'listens': the caller waits for changes (pace)
  ARGV[9]  keep      how long entries of `changes` and of `rejected` are kept, two numbers of ms; '' or left out: the default. A third
                     number is about how many entries of `changes` are kept; the word `history` after them: a history is
  ARGV[10] mac       '' or left out: records are not checked. Else the fingerprints of the keys that sign them, and `unsigned` where
                     records without a `mac` are accepted too, with spaces between
  ARGV[11…]          two for each key: its inner and its outer pad (mac.lua)

  Returns a flat array; its items are listed in src/projector/call.ts.

  Fails before its first write, with `PRESENCE_SHARDS`, `PRESENCE_VERSION` (a newer projector has run), `PRESENCE_MAC` (other keys),
  `PRESENCE_TYPE <key>` and `PRESENCE_READ` (this engine does not let scripts call XREADGROUP: use 'range').
  The careful path checks the types of all keys first. If `changes` is replaced by another type, the quick path may fail after
  writing `leaving`; the next level check then finds that the parts do not agree and rebuilds.
]]
-- gives: ABOUT BY_RANGE CALLER CHANGES ENDED LEAVING MAY_REAP PROCESSES RECORDS REJECTED STATES TOTALS USERS apply beyond budget byte call change changes connections count decode due encode entries fenced find floor folded folded_ever format given_back graced held left match more now operations pcall ran reaped rebuilt records rejected size skipped sockets sub t tonumber try type unpack users valid weight why
-- reads: nothing
local call, try, tonumber, type, unpack, floor = redis.call, redis.pcall, tonumber, type, unpack, math.floor
local match, find, byte, sub, format = string.match, string.find, string.byte, string.sub, string.format
local encode, decode, pcall = cjson.encode, cjson.decode, pcall
local RECORDS, USERS, TOTALS, PROCESSES, STATES = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local ABOUT, LEAVING, CHANGES, REJECTED, ENDED = KEYS[6], KEYS[7], KEYS[8], KEYS[9], KEYS[10]
local budget, MAY_REAP, CALLER, BY_RANGE = tonumber(ARGV[2]), ARGV[3] == '1', ARGV[5], ARGV[6] == 'range'

local now
if ARGV[4] == '' then
  local time = try('TIME')
  if time.err then error('PRESENCE_PERMISSION TIME', 0) end
  now = time[1] * 1000 + floor(time[2] / 1000)
else
  now = tonumber(ARGV[4])
end

-- The fields of totals that every call reads. They are written once, at the end (tail.lua).
local t = try('HMGET', TOTALS, 'shards', 'protocol', 'users', 'sockets', 'connections', 'folded', 'change', 'records',
  'ran', 'due', 'size', 'checked', 'turn', 'ends', 'mark', 'marked', 'rate', 'graced', 'unfinished', 'mac', 'listened', 'work', 'lingering', 'scoped')
if t.err then error(find(t.err, 'WRONGTYPE', 1, true) and 'PRESENCE_TYPE ' .. TOTALS .. ': holds another type' or t.err, 0) end
-- What comes after the two times of `keep`, if anything does: how many changes are kept, if more than by default, and the word that asks for
-- what the history says so far (history.lua). Plain searches: a pattern would try again from many places.
local beyond = find(ARGV[9] or '', ' ', 1, true)
beyond = beyond and find(ARGV[9], ' ', beyond + 1, true)
if beyond then
  local most = tonumber(match(ARGV[9], '^%d+', beyond + 1) or 0)
  if most > CHANGES_KEPT then t.kept = most end
  if find(ARGV[9], ' history', beyond, true) then t.history = call('HMGET', TOTALS, 'minute', 'hour', 'day', 'counted', 'carried') end
end
local users, sockets, connections = tonumber(t[3] or 0), tonumber(t[4] or 0), tonumber(t[5] or 0)
local folded, change, folded_ever, ran = t[6] or '0-0', t[7] or '0-0', tonumber(t[8] or 0), tonumber(t[9] or 0)
-- What a call knows about scopes (scopes.lua).
t.lingering = t[23] and tonumber(t[23]) or nil
local due, size, graced = tonumber(t[10] or -1), tonumber(t[11] or 1), tonumber(t[18] or 0)

-- A Redis that is full still lets keys be deleted, while nobody can renew a lease. So what may end one writes first, and fails. Who
-- appends itself, and so has a name, knows: it holds after a record was refused.
if CALLER == '' and MAY_REAP and due >= 0 and due <= now then call('HSET', TOTALS, 'due', due) end

-- Counters of this call, for the reply.
local records, operations, skipped, fenced, rejected, reaped, given_back, changes, held, left = 0, 0, 0, 0, 0, 0, 0, 0, 0, 0
local more, rebuilt = 0, 0

-- Created where they are first needed: each closure costs a call time.
local apply, valid

-- Why the quick path cannot be used; nil: it can.
local why
if t[1] ~= ARGV[1] then why = 'shards'
elseif t[2] ~= PROTOCOL then why = 'protocol'
elseif (t[20] or '') ~= (ARGV[10] or '') then why = 'keys'
elseif now < ran then why = 'clock'
elseif t[19] == '1' then why = 'unfinished'
elseif ARGV[7] ~= '' then why = 'check'
elseif now - tonumber(t[12] or 0) >= CHECK_MS then
  -- While nothing happens, calls are seconds apart: one number then, and all of them now and then.
  local busy = now - ran < CHECK_MS and (CALLER == '' or tonumber(t[17] or 0) >= RATE_BUSY)
  -- Users whom nothing will ever end: their processes are gone without a trace.
  local stuck = due == -1 and users > 0
  if busy or stuck or now - tonumber(t[12] or 0) >= CHECK_IDLE_MS or try('HLEN', USERS) ~= users then why = 'check' end
end

-- How many records are likely to fill the budget, from the records of the last call.
local count = floor(budget / size)
if count < 1 then count = 1 elseif count > RECORDS_MAX then count = RECORDS_MAX end
-- The size of the log, estimated from its first nodes; not every engine supports this, and not every user may run it.
local weight = try('MEMORY', 'USAGE', RECORDS)
if type(weight) ~= 'number' then weight = 0 end
if weight > READ_BYTES then
  local length = call('XLEN', RECORDS)
  -- With a single entry, its size is known without reading it.
  if length == 1 and weight > ENTRY_BYTES_MAX then why = 'size' end
  count = math.max(1, math.min(count, floor(READ_BYTES * length / weight)))
end
local entries
if not why then
  local reply
  if BY_RANGE then
    reply = try('XRANGE', RECORDS, '-', '+', 'COUNT', count)
    entries = reply
  else
    reply = try('XREADGROUP', 'GROUP', 'projector', 'projector', 'COUNT', count, 'NOACK', 'STREAMS', RECORDS, '>')
    entries = reply and reply[1] and reply[1][2]
  end
  if reply and reply.err then
    entries, why = nil, 'read'
  elseif not entries or not entries[1] then
    entries = nil
    -- The group reads nothing although the log has entries: the group was moved, or a call failed half-way.
    if not BY_RANGE and call('XLEN', RECORDS) > 0 then why = 'place' end
  end
  -- While there is more to read, it is too early to reap: the next record may renew a lease.
  -- The quick path sees whether what it folds renews all that is due.
  if not why and due >= 0 and due <= now and not entries then why = 'due' end
end

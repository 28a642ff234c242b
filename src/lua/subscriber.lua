--[[
  subscriber: everything a durable subscriber does to Redis, one bounded step a call. src/subscriber/script.ts calls this; docs/protocol.md,
  "Subscribers", says what the keys hold. Only the holder of the turn writes, and proves it with the token that it got: a process that lost
  its turn changes nothing any more.

  KEYS     totals users changes about subscribers subscriber known inbox dead
  ARGV[1]  what: take note fail bury page leave disable enable retry drop remove
  ARGV[2]  the time, ms; empty: Redis's
  ARGV[3]  the name of the subscriber
  ARGV[4]  take, leave: the caller. note, fail, bury, page, disable: the token
  ARGV[5]  take, note: how long the turn lasts, ms

  take     ARGV[6] most entries · [7] `now`, `start` or `again`, for a subscriber that is not known · [8] how long dead letters are kept, ms
  note     ARGV[6] `changes`, `inbox` or empty: only renews · [7] the last entry that is handled, or empty · [8] how many of the next one are ·
           [9] how many were handled · [10] how many of the users that follow are online; the others are offline
  bury     as note, but [5] is a JSON list of letters, each the JSON of a delivery, and [9] the error
  fail     ARGV[5] when to try again, ms from now · [6] the error
  disable  ARGV[5] the reason
  retry    ARGV[4] id of a dead letter, of which there is one to be handled again
  drop     ARGV[4] id of a dead letter

  Returns { word, token, number, attempt, place, window, entries }.
    'held'      another caller has the turn, for `number` ms
    'wait'      the turn is the caller's, and nothing is to be done for `number` ms
    'changes'   entries of `changes` that follow; of the first one `place` changes were handled before
    'inbox'     the same of the inbox
    'page'      a comparison goes on: call page
    'idle'      nothing is left
    'full'      there are too many subscribers for another one
    'disabled'  entries holds the reason
    'lost'      the turn is another's, or the subscriber was removed
    'done'      of the others; `number` says how many
]]
local call, format, match, tonumber, unpack = redis.call, string.format, string.match, tonumber, unpack
local TOTALS, USERS, CHANGES, ABOUT, SUBSCRIBERS, STATE, KNOWN, INBOX, DEAD = unpack(KEYS)
local what, name = ARGV[1], ARGV[3]
local now = tonumber(ARGV[2])
if not now then
  local time = call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end

local FIELDS = { 'token', 'holder', 'ends', 'entry', 'place', 'attempt', 'after', 'phase', 'scan', 'settles', 'window', 'queued',
  'checked', 'disabled', 'lease', 'queued_place', 'begun', 'from', 'keep' }
local s, read = {}, call('HMGET', STATE, unpack(FIELDS))
for i = 1, #FIELDS do s[FIELDS[i]] = read[i] or '' end
local token = tonumber(s.token)
local set = {}

local function put(field, value)
  if type(value) == 'number' then value = format('%.0f', value) end
  s[field] = value
  set[#set + 1] = field
  set[#set + 1] = value
end

local function save()
  if #set > 0 then call('HSET', STATE, unpack(set)) end
end

local function answer(word, number, entries)
  save()
  return { word, token or 0, number or 0, tonumber(s.attempt) or 0, tonumber(s.place) or 0, s.window, entries or {} }
end

local function last_of(stream)
  local last = call('XREVRANGE', stream, '+', '-', 'COUNT', 1)[1]
  return last and last[1] or '0-0'
end

local function is_after(a, b)
  local a_ms, a_seq = match(a, '^(%d+)-(%d+)$')
  local b_ms, b_seq = match(b, '^(%d+)-(%d+)$')
  a_ms, b_ms = tonumber(a_ms), tonumber(b_ms)
  return a_ms > b_ms or a_ms == b_ms and tonumber(a_seq) > tonumber(b_seq)
end

local function in_chunks(command, key, values, first, last)
  for i = first, last, VALUES_MAX do
    call(command, key, unpack(values, i, math.min(last, i + VALUES_MAX - 1)))
  end
end

-- The longest lease of the processes there are.
local function longest()
  local most, all = TTL_MS, call('HVALS', ABOUT)
  for i = 1, #all do
    local ttl = tonumber(match(all[i], '"ttl":"?(%d+)') or 0)
    if ttl > most then most = ttl end
  end
  return math.min(most, TTL_MS_MAX)
end

-- What follows the place is not what followed it before: says so, and compares everybody. Where others may have lost Redis's data too, their
-- processes are given the time to register again.
local function gap(reason)
  put('entry', last_of(CHANGES))
  put('place', 0)
  put('attempt', 0)
  put('after', 0)
  put('queued', 1)
  put('phase', 'settle')
  local settles = 0
  if reason ~= 'trimmed' and reason ~= 'differs' then settles = SETTLE_LEASES * math.max(longest(), tonumber(s.lease) or 0) end
  put('settles', now + settles)
  call('XADD', INBOX, '*', 'gap', reason)
  call('HINCRBY', STATE, 'gaps', 1)
end

-- The entries of a stream from an id on: a few first, since one can have thousands of changes.
local function entries_of(stream, from, count)
  local found = call('XRANGE', stream, from, '+', 'COUNT', math.min(count, ENTRIES_FIRST))
  if #found < ENTRIES_FIRST or #found >= count then return found end
  local bytes = 0
  for i = 1, #found do
    local fields = found[i][2]
    for j = 1, #fields do bytes = bytes + #fields[j] end
  end
  if bytes > ENTRIES_BYTES then return found end
  local more = call('XRANGE', stream, '(' .. found[#found][1], '+', 'COUNT', count - #found)
  for i = 1, #more do found[#found + 1] = more[i] end
  return found
end

local function begin(from)
  if call('ZCARD', SUBSCRIBERS) >= SUBSCRIBERS_MAX then return false end
  token = 0
  put('from', from)
  put('started', now)
  put('entry', '0-0')
  put('phase', '')
  if from == 'again' then gap('forgotten')
  elseif from == 'now' then
    put('entry', last_of(CHANGES))
    if call('HLEN', USERS) > 0 then
      put('phase', 'quiet')
      put('scan', '0')
    end
  end
  return true
end

if what == 'take' then
  local caller, turn, count, keep = ARGV[4], tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[8])
  if not token and not begin(ARGV[7]) then return { 'full', 0, 0, 0, 0, '', {} } end
  local checks = now - (tonumber(s.checked) or 0)
  local is_due = checks < 0 or checks >= SUBSCRIBER_CHECK_MS
  if is_due then
    put('checked', now)
    if s.keep ~= ARGV[8] then put('keep', ARGV[8]) end
    if now > keep then call('XTRIM', DEAD, 'MINID', format('%.0f', now - keep)) end
    -- So the projector looks after those that nobody serves any more (project/forget.lua). One that is disabled is served by whoever asks.
    call('HSET', TOTALS, 'subscribed', 1)
    if s.disabled ~= '' then call('ZADD', SUBSCRIBERS, now, name) end
  end
  if s.disabled ~= '' then return answer('disabled', 0, { s.disabled }) end
  local left = (tonumber(s.ends) or 0) - now
  -- The clock may have gone back.
  if left > SUBSCRIBER_TURN_MS_MAX then left = 0 end
  if s.holder ~= caller then
    if left > 0 then return answer('held', left) end
    token = token + 1
    put('token', token)
    put('holder', caller)
    left = 0
  elseif left <= 0 then
    -- Nobody had it meanwhile, but what this caller began before may still be under way.
    token = token + 1
    put('token', token)
  end
  if left < turn / 2 then
    put('ends', now + turn)
    put('turn', turn)
    call('ZADD', SUBSCRIBERS, now, name)
  end
  if is_due then put('lease', longest()) end

  local after = (tonumber(s.after) or 0) - now
  if after > 0 and after <= RETRY_MS_MAX * 2 then return answer('wait', after) end
  if s.queued == '1' then
    local found = entries_of(INBOX, '-', count)
    if #found > 0 then
      s.place = s.queued_place
      return answer('inbox', 0, found)
    end
    put('queued', 0)
  end
  if s.phase == 'settle' then
    local settles = tonumber(s.settles) - now
    if settles > 0 and settles <= TTL_MS_MAX * SETTLE_LEASES then return answer('wait', settles) end
    put('phase', 'users')
    put('scan', '0')
  end
  if s.phase ~= '' then return answer('page') end

  local entry = s.entry
  local found
  if entry == '0-0' then
    found = entries_of(CHANGES, '-', count)
    -- No entry proves that all that followed are still there but the first one seen. Before there was one, only the removing tells.
    local first, reason = found[1] and found[1][1], nil
    if s.begun ~= '' then
      if first ~= s.begun then reason = first and 'trimmed' or 'lost' end
    elseif first then
      if s.from ~= 'start' and (call('HGET', TOTALS, 'cut') or call('XLEN', CHANGES) >= CHANGES_KEPT) then reason = 'trimmed' end
      put('begun', first)
    end
    if reason then
      gap(reason)
      return answer('inbox', 0, entries_of(INBOX, '-', count))
    end
  else
    found = entries_of(CHANGES, entry, count + 1)
    if not found[1] or found[1][1] ~= entry then
      local oldest = call('XRANGE', CHANGES, '-', '+', 'COUNT', 1)[1]
      local reason = 'lost'
      if oldest and is_after(oldest[1], entry) then reason = oldest[2][1] == 'rebuilt' and 'rebuilt' or 'trimmed' end
      gap(reason)
      return answer('inbox', 0, entries_of(INBOX, '-', count))
    end
    table.remove(found, 1)
  end
  for i = 1, #found do
    if found[i][2][1] == 'rebuilt' and (i > 1 or entry ~= '0-0' or call('SCARD', KNOWN) > 0) then
      if i == 1 then
        gap('rebuilt')
        return answer('inbox', 0, entries_of(INBOX, '-', count))
      end
      for j = #found, i, -1 do found[j] = nil end
      break
    end
  end
  if #found > 0 then return answer('changes', 0, found) end
  if is_due and call('SCARD', KNOWN) ~= call('HLEN', USERS) then
    gap('differs')
    return answer('inbox', 0, entries_of(INBOX, '-', count))
  end
  return answer('idle')
end

if what == 'remove' then
  call('ZREM', SUBSCRIBERS, name)
  return { 'done', 0, call('UNLINK', STATE, KNOWN, INBOX, DEAD), 0, 0, '', {} }
end

if what == 'retry' or what == 'drop' then
  local letter = call('XRANGE', DEAD, ARGV[4], ARGV[4])[1]
  if not letter or not token then return answer('done', 0) end
  if what == 'retry' then
    call('XADD', INBOX, '*', 'again', letter[2][2])
    put('queued', 1)
  end
  call('XDEL', DEAD, ARGV[4])
  return answer('done', 1)
end

if what == 'enable' then
  if not token then return answer('done', 0) end
  put('disabled', '')
  put('after', 0)
  put('attempt', 0)
  return answer('done', 1)
end

if what == 'leave' then
  if not token or s.holder ~= ARGV[4] then return answer('lost') end
  put('ends', 0)
  return answer('done')
end

-- What follows is the holder's.
if not token or token ~= tonumber(ARGV[4]) then return answer('lost') end

local function note()
  local source, id, place, handled = ARGV[6], ARGV[7], tonumber(ARGV[8]), tonumber(ARGV[9])
  if source == 'changes' then
    if id ~= '' then put('entry', id) end
    put('place', place)
  else
    if id ~= '' then
      call('XTRIM', INBOX, 'MINID', id)
      call('XDEL', INBOX, id)
    end
    put('queued_place', place)
  end
  local online = tonumber(ARGV[10])
  in_chunks('SADD', KNOWN, ARGV, 11, 10 + online)
  in_chunks('SREM', KNOWN, ARGV, 11 + online, #ARGV)
  if s.attempt ~= '' and s.attempt ~= '0' or s.after ~= '' and s.after ~= '0' then
    put('attempt', 0)
    put('after', 0)
    put('error', '')
  end
  return handled
end

if what == 'note' then
  local turn = tonumber(ARGV[5])
  if (tonumber(s.ends) or 0) - now < turn / 2 then
    put('ends', now + turn)
    call('ZADD', SUBSCRIBERS, now, name)
  end
  if ARGV[6] ~= '' then
    local handled = note()
    if handled > 0 then call('HINCRBY', STATE, 'handled', handled) end
  end
  return answer('done')
end

if what == 'bury' then
  local letters, failure, attempts = cjson.decode(ARGV[5]), ARGV[9], (tonumber(s.attempt) or 0) + 1
  for i = 1, #letters do
    call('XADD', DEAD, 'MAXLEN', '~', DEAD_LETTERS_MAX, '*', 'delivery', letters[i], 'error', failure, 'attempts', attempts)
  end
  ARGV[9] = 0
  note()
  call('HINCRBY', STATE, 'failed', 1)
  call('HINCRBY', STATE, 'buried', #letters)
  return answer('done')
end

if what == 'fail' then
  put('attempt', (tonumber(s.attempt) or 0) + 1)
  put('after', now + tonumber(ARGV[5]))
  put('error', ARGV[6])
  call('HINCRBY', STATE, 'failed', 1)
  return answer('done')
end

if what == 'disable' then
  put('disabled', ARGV[5])
  return answer('done')
end

-- page: compares the next of those it knows with those who are there, or the other way round; `quiet` takes them over.
local pages = 0
repeat
  pages = pages + 1
  local found, list = nil, {}
  if s.phase == 'known' then
    found = call('SSCAN', KNOWN, s.scan, 'COUNT', COMPARED)
    local members = found[2]
    for i = 1, #members, VALUES_MAX do
      local some = { unpack(members, i, math.min(#members, i + VALUES_MAX - 1)) }
      local present = call('HMGET', USERS, unpack(some))
      for j = 1, #some do
        if not present[j] then list[#list + 1] = some[j] end
      end
    end
  else
    found = call('HSCAN', USERS, s.scan, 'COUNT', COMPARED)
    local users = {}
    for i = 1, #found[2], 2 do users[#users + 1] = found[2][i] end
    if s.phase == 'quiet' then in_chunks('SADD', KNOWN, users, 1, #users)
    else
      local asked = {}
      for i = 1, #users, VALUES_MAX do
        local some = { unpack(users, i, math.min(#users, i + VALUES_MAX - 1)) }
        local is_known = call('SMISMEMBER', KNOWN, unpack(some))
        for j = 1, #some do
          if is_known[j] == 0 and not asked[some[j]] then
            asked[some[j]] = true
            list[#list + 1] = some[j]
          end
        end
      end
    end
  end
  put('scan', found[1])
  if #list > 0 then
    call('XADD', INBOX, '*', s.phase == 'known' and 'offline' or 'online', cjson.encode(list))
    put('queued', 1)
    pages = PAGES_MAX
  end
  if found[1] == '0' then
    if s.phase == 'users' then put('phase', 'known')
    else
      -- Changes up to here may say what the comparison has said already.
      if s.phase == 'known' then put('window', last_of(CHANGES)) end
      put('phase', '')
      pages = PAGES_MAX
    end
  end
until pages >= PAGES_MAX
return answer('done')

--[[
  subscriber: everything a durable subscriber does to Redis, one bounded step a call. src/subscriber/script.ts calls this; docs/protocol.md,
  "Subscribers", says what the keys hold. Only the holder of the turn writes, and proves it with the token that it got: a process that lost
  its turn changes nothing any more.

  KEYS     totals users changes about subscribers subscriber known inbox dead
  ARGV[1]  what: take amend note fail bury page leave disable enable retry drop remove
  ARGV[2]  the time, ms; empty: Redis's
  ARGV[3]  the name of the subscriber
  ARGV[4]  take: the caller. note, fail, bury, page, leave, disable: the token, a space and the caller
  ARGV[5]  take, note: how long the turn lasts, ms

  take     ARGV[6] most entries · [7] `now`, `start` or `again`, for a subscriber that is not known · [8] how long dead letters are kept, ms ·
           [9] the highest token that the caller was ever given for a turn of its own
  amend    ARGV[4] that token · [5] how many of the members that follow are online; the others are offline
  note     ARGV[6] `changes`, `inbox` or empty: only renews · [7] the last entry that is handled, or empty · [8] how many of the next one are ·
           [9] how many were handled · [10] how many of the users that follow are online; the others are offline
  bury     as note, but [5] is a JSON list of letters, each the JSON of a delivery, and [9] the error
  fail     ARGV[5] when to try again, ms from now · [6] the error · [7] as [6] of note
  disable  ARGV[5] the reason
  retry    ARGV[4] id of a dead letter, of which there is one to be handled again
  drop     ARGV[4] id of a dead letter

  Returns { word, token, number, attempt, place, window, entries, fresh }. fresh: 1 if another caller, or nobody, had the turn before.
    'behind'    Redis lost steps of the caller: call amend
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
local call, format, match, sub, tonumber, unpack = redis.call, string.format, string.match, string.sub, tonumber, unpack
local TOTALS, USERS, CHANGES, ABOUT, SUBSCRIBERS, STATE, KNOWN, INBOX, DEAD = unpack(KEYS)
local what, name = ARGV[1], ARGV[3]
-- About scopes: the third key is `moves` then.
local SCOPED, TAG = sub(CHANGES, -6) == ':moves', sub(TOTALS, 1, -7)
local now = tonumber(ARGV[2])
if not now then
  local time = call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end

local FIELDS = { 'token', 'holder', 'ends', 'entry', 'place', 'attempt', 'after', 'phase', 'scan', 'settles', 'window', 'queued',
  'checked', 'disabled', 'lease', 'queued_place', 'begun', 'from', 'turn', 'wait', 'settling',
  'of', 'pending', 'inner', 'keep', 'compared', 'unsure', 'failing' }
local s, read = {}, call('HMGET', STATE, unpack(FIELDS))
for i = 1, #FIELDS do s[FIELDS[i]] = read[i] or '' end
local token = tonumber(s.token)
local set, fresh = {}, 0

local function put(field, value)
  if type(value) == 'number' then value = format('%.0f', value) end
  s[field] = value
  set[#set + 1] = field
  set[#set + 1] = value
end

-- Each step has its own token, so that a call that arrives late or twice changes nothing. After Redis lost the last ones it must not give
-- one again that a process still has: hence the time, and a thousand for each ms.
local function next_token()
  token = math.max(token + 1, now * 1000)
  put('token', token)
end

-- How long until then, ms, of which `span` is all. If more is left, the clock has gone back, and it begins anew.
local function until_then(field, span)
  local left, most = (tonumber(s[field]) or 0) - now, tonumber(s[span]) or 0
  if left <= most then return left end
  put(field, now + most)
  return most
end

local function save()
  if #set > 0 then call('HSET', STATE, unpack(set)) end
end

local function answer(word, number, entries)
  save()
  return { word, token or 0, number or 0, tonumber(s.attempt) or 0, tonumber(s.place) or 0, s.window, entries or {}, fresh }
end

-- Of the holder: what follows is to be done with the token that it gets, and nothing that it began before.
local function step(word, entries)
  next_token()
  return answer(word or 'done', 0, entries)
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

local function of()
  return SCOPED and 'scopes' or ''
end

-- How many are present, of scopes in those that are told; nil: there are too many of these to say.
local function present()
  if not SCOPED then return call('HLEN', USERS) end
  local told = TAG .. 'told'
  if call('SCARD', told) > TOLD_SUMMED_MAX then return nil end
  local names, sum = call('SMEMBERS', told), 0
  if #names == 0 then return 0 end
  local scores = call('ZMSCORE', TAG .. 'scopes', unpack(names))
  for i = 1, #names do sum = sum + math.floor((tonumber(scores[i]) or 0) / SCOPE_UNIT) end
  return sum
end

-- The longest lease of the processes there are.
local function longest()
  local most, cursor = TTL_MS, '0'
  repeat
    local page = call('HSCAN', ABOUT, cursor, 'COUNT', COMPARED)
    for i = 2, #page[2], 2 do
      local ttl = tonumber(match(page[2][i], '"ttl":"?(%d+)') or 0)
      if ttl > most then most = ttl end
    end
    cursor = page[1]
  until cursor == '0'
  return math.min(most, TTL_MS_MAX)
end

-- Where a delivery stands that comes next: its stream, the entry, and the place in it.
local function spot(source, id)
  return source .. ' ' .. id .. ' ' .. (tonumber(source == 'inbox' and s.queued_place or s.place) or 0)
end

-- Hands out entries. What had failed may be another delivery: one that is lost, or that a letter comes before.
local function offer(source, found)
  if (tonumber(s.attempt) or 0) > 0 and s.failing ~= spot(source, found[1][1]) then
    put('attempt', 0)
    put('error', '')
  end
  if source == 'inbox' then s.place = s.queued_place end
  return step(source, found)
end

-- Adds an entry to the inbox. The place in its first entry is of none that is there when it is empty: that one was evicted.
local function queue(kind, value)
  if s.queued_place ~= '' and s.queued_place ~= '0' and call('XLEN', INBOX) == 0 then put('queued_place', 0) end
  call('XADD', INBOX, '*', kind, value)
  put('queued', 1)
end

-- What follows the place is not what followed it before: says so, and compares everybody. Where others may have lost Redis's data too, their
-- processes are given the time to register again.
local function gap(reason)
  put('entry', last_of(CHANGES))
  put('place', 0)
  put('attempt', 0)
  put('after', 0)
  put('phase', 'settle')
  local settles = 0
  if reason ~= 'trimmed' and reason ~= 'differs' then settles = SETTLE_LEASES * math.max(longest(), tonumber(s.lease) or 0) end
  put('settles', now + settles)
  put('settling', settles)
  put('begun', '')
  put('pending', '')
  if s.unsure == '1' then put('unsure', '') end
  queue('gap', reason)
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

-- seen: the next token is after it, whatever the clock says.
local function begin(from, seen)
  -- One that was known before, and of which the hash is gone, still has its place.
  if call('ZCARD', SUBSCRIBERS) >= SUBSCRIBERS_MAX and not call('ZMSCORE', SUBSCRIBERS, name)[1] then return false end
  token = seen
  put('from', from)
  put('of', of())
  put('started', now)
  -- Of one whose hash is gone alone, what waits is still to be delivered.
  put('queued', call('XLEN', INBOX) > 0 and 1 or 0)
  put('entry', '0-0')
  put('phase', '')
  if from == 'again' then gap('forgotten')
  elseif from == 'now' then
    put('entry', last_of(CHANGES))
    if SCOPED and call('SCARD', TAG .. 'told') > 0 or not SCOPED and call('HLEN', USERS) > 0 then
      put('phase', 'quiet')
      put('scan', '0')
    end
  end
  return true
end

if what == 'take' then
  local caller, turn, count, keep, seen = ARGV[4], tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[8]), tonumber(ARGV[9])
  if token and s.of ~= of() then return { 'other', 0, 0, 0, 0, '', {}, 0 } end
  if token and seen > token then return { 'behind', token, 0, 0, 0, '', {}, 0 } end
  if not token and not begin(ARGV[7], seen) then return { 'full', 0, 0, 0, 0, '', {}, 0 } end
  if s.disabled ~= '' then
    -- Whoever asks serves it: so it is not taken for one that nobody needs any more.
    call('ZADD', SUBSCRIBERS, now, name)
    return answer('disabled', 0, { s.disabled })
  end
  local left = until_then('ends', 'turn')
  if s.holder ~= caller then
    if left > 0 then return answer('held', left) end
    next_token()
    put('holder', caller)
    fresh = 1
    left = 0
  elseif left <= 0 then
    -- Nobody had it meanwhile, but what this caller began before may still be under way.
    next_token()
  end
  if left < turn / 2 then
    put('ends', now + turn)
    put('turn', turn)
    call('ZADD', SUBSCRIBERS, now, name)
  end
  local checks = now - (tonumber(s.checked) or 0)
  if checks < 0 or checks >= SUBSCRIBER_CHECK_MS then
    put('checked', now)
    put('lease', longest())
    if s.keep ~= ARGV[8] then put('keep', ARGV[8]) end
    if now > keep then call('XTRIM', DEAD, 'MINID', format('%.0f', now - keep)) end
    -- So the projector looks after those that nobody serves any more (project/forget.lua).
    call('HSET', TOTALS, 'subscribed', 1)
  end

  local after = until_then('after', 'wait')
  if after > 0 then return answer('wait', after) end
  if s.queued == '1' then
    local found = entries_of(INBOX, '-', count)
    if #found > 0 then return offer('inbox', found) end
    put('queued', 0)
  end
  if s.phase == 'settle' then
    local settles = until_then('settles', 'settling')
    if settles > 0 then return answer('wait', settles) end
    put('phase', 'users')
    put('scan', '0')
  end
  if s.phase ~= '' then return step('page') end

  local entry = s.entry
  local found
  if entry == '0-0' then
    found = entries_of(CHANGES, '-', count)
    -- No entry proves that all that followed are still there but the first one seen. Before there was one, only the removing tells.
    local first, reason = found[1] and found[1][1], nil
    if s.begun ~= '' then
      if first ~= s.begun then reason = first and 'trimmed' or 'lost' end
    elseif first then
      if s.from ~= 'start' and (call('HGET', TOTALS, SCOPED and 'moved_cut' or 'cut') or call('XLEN', CHANGES) >= CHANGES_KEPT) then reason = 'trimmed' end
      put('begun', first)
    end
    if reason then
      gap(reason)
      return step('inbox', entries_of(INBOX, '-', count))
    end
  else
    found = entries_of(CHANGES, entry, count + 1)
    if not found[1] or found[1][1] ~= entry then
      local oldest = call('XRANGE', CHANGES, '-', '+', 'COUNT', 1)[1]
      local reason = 'lost'
      if oldest and is_after(oldest[1], entry) then reason = oldest[2][1] == 'rebuilt' and 'rebuilt' or 'trimmed' end
      gap(reason)
      return step('inbox', entries_of(INBOX, '-', count))
    end
    table.remove(found, 1)
  end
  for i = 1, #found do
    if found[i][2][1] == 'rebuilt' and (i > 1 or entry ~= '0-0' or call('SCARD', KNOWN) > 0) then
      if i == 1 then
        gap('rebuilt')
        return step('inbox', entries_of(INBOX, '-', count))
      end
      for j = #found, i, -1 do found[j] = nil end
      break
    end
  end
  if #found > 0 then return offer('changes', found) end
  -- By a time of its own: what is due while something is left to deliver is not forgotten.
  if s.unsure == '1' then
    gap('lost')
    return step('inbox', entries_of(INBOX, '-', count))
  end
  local since = now - (tonumber(s.compared) or 0)
  if since < 0 or since >= SUBSCRIBER_CHECK_MS then
    put('compared', now)
    local there = present()
    if there and call('SCARD', KNOWN) ~= there then
      gap('differs')
      return step('inbox', entries_of(INBOX, '-', count))
    end
  end
  return answer('idle')
end

if what == 'remove' then
  call('ZREM', SUBSCRIBERS, name)
  return { 'done', 0, call('UNLINK', STATE, KNOWN, INBOX, DEAD), 0, 0, '', {}, 0 }
end

if what == 'retry' or what == 'drop' then
  local letter = call('XRANGE', DEAD, ARGV[4], ARGV[4])[1]
  if not letter or not token then return answer('done', 0) end
  if what == 'retry' then
    queue('again', letter[2][2])
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

-- Of a caller whose last steps are lost: whom it told about of late. Their changes may be lost too, so nothing else would say that the receiver
-- knows. What is left of the changes comes first, then everybody is compared. Another caller may have been given higher tokens than this one.
if what == 'amend' then
  local seen, online = tonumber(ARGV[4]), tonumber(ARGV[5])
  if not token or seen <= token then return answer('done', 0) end
  token = seen + LOST_STEPS_MAX
  in_chunks('SADD', KNOWN, ARGV, 6, 5 + online)
  in_chunks('SREM', KNOWN, ARGV, 6 + online, #ARGV)
  put('unsure', 1)
  return step()
end

-- What follows is the holder's.
if not token or ARGV[4] ~= s.token .. ' ' .. s.holder then return answer('lost') end

if what == 'leave' then
  put('ends', 0)
  return step()
end

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
    return step()
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
  return step()
end

if what == 'fail' then
  put('attempt', (tonumber(s.attempt) or 0) + 1)
  put('after', now + tonumber(ARGV[5]))
  put('wait', tonumber(ARGV[5]))
  put('error', ARGV[6])
  local stream, from = INBOX, '-'
  if ARGV[7] == 'changes' then
    stream = CHANGES
    if s.entry ~= '0-0' then from = '(' .. s.entry end
  end
  local first = call('XRANGE', stream, from, '+', 'COUNT', 1)[1]
  put('failing', first and spot(ARGV[7], first[1]) or '')
  call('HINCRBY', STATE, 'failed', 1)
  return step()
end

if what == 'disable' then
  put('disabled', ARGV[5])
  return step()
end

-- page: compares the next of those it knows with those who are there, or the other way round; `quiet` takes them over. The lists are of
-- users, and of scopes of users and scopes in turn.

-- Of those who are known, some who are not there. Returns whether that were all.
local function some_known(list)
  local found = call('SSCAN', KNOWN, s.scan, 'COUNT', COMPARED)
  put('scan', found[1])
  local members = found[2]
  if SCOPED then
    for i = 1, #members do
      local length, rest = match(members[i], '^(%d+):(.*)$')
      local user, scope = sub(rest, 1, length), sub(rest, length + 1)
      if call('HEXISTS', TAG .. 'scope:' .. scope, user) == 0 then
        list[#list + 1] = user
        list[#list + 1] = scope
      end
    end
  else
    for i = 1, #members, VALUES_MAX do
      local some = { unpack(members, i, math.min(#members, i + VALUES_MAX - 1)) }
      local there = call('HMGET', USERS, unpack(some))
      for j = 1, #some do
        if not there[j] then list[#list + 1] = some[j] end
      end
    end
  end
  return found[1] == '0'
end

-- Of the fields of a hash some who are not known. Returns its next cursor.
local function some_there(key, cursor, scope, list)
  local found = call('HSCAN', key, cursor, 'COUNT', COMPARED)
  local members, users = {}, {}
  for i = 1, #found[2], 2 do
    local user = found[2][i]
    -- In a scope the field without a name is of sockets without a user.
    if user ~= '' then
      users[#users + 1] = user
      members[#members + 1] = scope and format('%d:', #user) .. user .. scope or user
    end
  end
  if s.phase == 'quiet' then in_chunks('SADD', KNOWN, members, 1, #members)
  else
    local asked = {}
    for i = 1, #members, VALUES_MAX do
      local some = { unpack(members, i, math.min(#members, i + VALUES_MAX - 1)) }
      local is_known = call('SMISMEMBER', KNOWN, unpack(some))
      for j = 1, #some do
        if is_known[j] == 0 and not asked[some[j]] then
          asked[some[j]] = true
          list[#list + 1] = users[i + j - 1]
          if scope then list[#list + 1] = scope end
        end
      end
    end
  end
  return found[1]
end

-- The same of the scopes that are told, one after the other. Returns whether that were all.
local function some_in_scopes(list)
  local pending = s.pending ~= '' and cjson.decode(s.pending) or {}
  if #pending == 0 then
    local found = call('SSCAN', TAG .. 'told', s.scan, 'COUNT', 10)
    pending = found[2]
    put('scan', found[1])
    put('inner', '0')
  end
  if pending[1] then
    put('inner', some_there(TAG .. 'scope:' .. pending[1], s.inner, pending[1], list))
    if s.inner == '0' then table.remove(pending, 1) end
  end
  put('pending', #pending > 0 and cjson.encode(pending) or '')
  return #pending == 0 and s.scan == '0'
end

local pages = 0
repeat
  pages = pages + 1
  local list, over = {}, nil
  if s.phase == 'known' then over = some_known(list)
  elseif SCOPED then over = some_in_scopes(list)
  else
    put('scan', some_there(USERS, s.scan, nil, list))
    over = s.scan == '0'
  end
  if #list > 0 then
    queue(s.phase == 'known' and 'offline' or 'online', cjson.encode(list))
    pages = PAGES_MAX
  end
  if over then
    if s.phase == 'users' then
      put('phase', 'known')
      put('scan', '0')
    else
      -- Changes up to here may say what the comparison has said already.
      if s.phase == 'known' then put('window', last_of(CHANGES)) end
      put('phase', '')
      pages = PAGES_MAX
    end
  end
until pages >= PAGES_MAX
return step()

--[[
  forget: one bounded step of forgetting a user. src/projector/forget.ts calls this; docs/privacy.md says what is removed and what is not.

  KEYS     as for project.lua
  ARGV[1]  what
             'find'      the newest entry of `changes` that names the user, a slice from ARGV[3] back ('+' at first)
             'cut'       removes the entries of `changes` up to the id in ARGV[3], in slices. If it is the last one, first appends an
                         entry without users, so that followers can read on before theirs is gone, and removes nothing
             'find-moves', 'cut-moves'  the same for `moves`, the changes of scopes
             'rejected'  removes the entries of `rejected` that name the user, or may: a slice from ARGV[3] on ('-' at first)
             'known'     the durable subscriber in ARGV[4] no longer knows the user, nor an error that has the id in it
             'inbox', 'dead'  removes what waits for that subscriber, and what it gave up, about the user: a slice from ARGV[3] on
  ARGV[2]  the user

  Returns { word, id, number }.
    'present', '', 0          the user is present: nothing was done
    'found', id, 0            'find' found that entry
    'marked', id, 0           'cut' appended that entry: call again when followers had time to read it
    'more', id, removed       call again, with that id
    'done', '', removed
]]
local call, try, find, sub, match = redis.call, redis.pcall, string.find, string.sub, string.match
local what, user, from = ARGV[1], ARGV[2], ARGV[3]
local USERS, TOTALS, CHANGES, REJECTED = KEYS[2], KEYS[3], KEYS[8], KEYS[9]
-- include project/trim.lua
-- Which of the two streams, and the fields of totals that go with it.
local STREAM, LAST, BLANK, CUT = CHANGES, 'change', 'blank', 'cut'
if sub(what, -6) == '-moves' then
  what = sub(what, 1, -7)
  STREAM, LAST, BLANK, CUT = sub(KEYS[1], 1, -8) .. 'moves', 'moved', 'moved_blank', 'moved_cut'
end

if call('HGET', USERS, user) then return { 'present', '', 0 } end

-- How many entries of a stream are read at once, by their size.
local function slice_of(key)
  local weight, length = try('MEMORY', 'USAGE', key), call('XLEN', key)
  if type(weight) ~= 'number' or weight < 1 then return FORGET_SLICE end
  return math.max(1, math.min(FORGET_SLICE, math.floor(READ_BYTES * length / weight)))
end

-- Whether a text has the id in it as a word of its own.
local function has_word(text)
  local from, to = find(text, user, 1, true)
  while from do
    local before, after = sub(text, from - 1, from), sub(text, to, to + 1)
    if not (from > 1 and find(before, '^[%w_\128-\255][%w_\128-\255]')) and not find(after, '^[%w_\128-\255][%w_\128-\255]') then return true end
    from, to = find(text, user, from + 1, true)
  end
  return false
end

-- A delivery or a list of users, as JSON; nil: it is none.
local function decoded(text)
  local good, value = pcall(cjson.decode, text)
  return good and type(value) == 'table' and value or nil
end

-- Whether this delivery is about the user, or may be.
local function is_about(text)
  if not find(text, user, 1, true) and not find(text, '\\', 1, true) then return false end
  local delivery = decoded(text)
  return not delivery or delivery.user == user
end

if what == 'known' or what == 'inbox' or what == 'dead' then
  local tag, name = sub(KEYS[1], 1, -8), ARGV[4]
  local STATE, STREAM_OF = tag .. 'subscriber:' .. name, tag .. what .. ':' .. name
  local token, entry, phase, failure, reason, of = unpack(call('HMGET', STATE, 'token', 'entry', 'phase', 'error', 'disabled', 'of'))
  local scoped = of == 'scopes'
  -- With the next token, what its holder has under way, which may be about the user, is not noted any more. It takes up again what is left.
  local function fence()
    call('HSET', STATE, 'token', string.format('%.0f', tonumber(token) + 1))
  end

  if what == 'known' then
    local removed
    if scoped then
      -- Members are of users and scopes: `5:alice/chat`.
      local page = call('SSCAN', STREAM_OF, from == '-' and '0' or from, 'COUNT', FORGET_SLICE)
      local head, gone = string.format('%d:', #user) .. user .. '/', {}
      for i = 1, #page[2] do
        if sub(page[2][i], 1, #head) == head then gone[#gone + 1] = page[2][i] end
      end
      removed = #gone > 0 and call('SREM', STREAM_OF, unpack(gone)) or 0
      if page[1] ~= '0' then return { 'more', page[1], removed } end
    else removed = call('SREM', STREAM_OF, user) end
    if token then
      if failure and find(failure, user, 1, true) then call('HSET', STATE, 'error', '') end
      if reason and has_word(reason) then call('HSET', STATE, 'disabled', 'forgotten') end
      -- What comes after an entry that is there is there too, and does not name the user.
      if entry == '0-0' or entry and #call('XRANGE', scoped and tag .. 'moves' or CHANGES, entry, entry) == 0 then fence() end
    end
    return { 'done', '', removed }
  end

  local slice = slice_of(STREAM_OF)
  local some, ids, is_first, starts_over = call('XRANGE', STREAM_OF, from, '+', 'COUNT', slice), {}, false, false
  for e = 1, #some do
    local fields, goes = some[e][2], false
    if what == 'dead' then goes = is_about(fields[2] or '') or has_word(fields[4] or '')
    elseif fields[1] == 'again' then goes = is_about(fields[2] or '')
    elseif fields[1] == 'online' or fields[1] == 'offline' then
      local list = decoded(fields[2] or '') or {}
      for j = 1, #list, scoped and 2 or 1 do
        if list[j] == user then goes, starts_over = true, true break end
      end
    end
    if goes then
      ids[#ids + 1] = some[e][1]
      if e == 1 and from == '-' then is_first = true end
    end
  end
  if #ids > 0 then
    call('XDEL', STREAM_OF, unpack(ids))
    if what == 'inbox' and token then
      fence()
      -- What had been handled of the first entry, and how often it had failed, was its own.
      if is_first then call('HSET', STATE, 'queued_place', 0, 'attempt', 0, 'after', 0, 'error', '') end
      -- `known` has only what was handled of a page: the next comparison finds the rest of it again.
      if starts_over and phase ~= 'settle' then call('HSET', STATE, 'phase', 'users', 'scan', '0', 'pending', '') end
    end
  end
  if #some < slice then return { 'done', '', #ids } end
  return { 'more', '(' .. some[#some][1], #ids }
end

if what == 'find' then
  local quoted = sub(cjson.encode({ user }), 2, -2)
  local count = slice_of(STREAM)
  local found = call('XREVRANGE', STREAM, from, '-', 'COUNT', count)
  for e = 1, #found do
    local fields = found[e][2]
    for i = 2, #fields, 2 do
      local value = fields[i]
      -- The text first: it is much faster than decoding each list.
      if find(value, quoted, 1, true) or find(value, user, 1, true) then
        local good, list = pcall(cjson.decode, value)
        if not good or type(list) ~= 'table' then return { 'found', found[e][1], 0 } end
        if STREAM == CHANGES then list = { list } end
        for _, users in pairs(list) do
          if type(users) ~= 'table' then return { 'found', found[e][1], 0 } end
          for j = 1, #users do
            if users[j] == user then return { 'found', found[e][1], 0 } end
          end
        end
      end
    end
  end
  if #found < count then return { 'done', '', 0 } end
  return { 'more', '(' .. found[#found][1], 0 }
end

if what == 'cut' then
  local last = call('XREVRANGE', STREAM, '+', '-', 'COUNT', 1)[1]
  if last and last[1] == from then
    local id = call('XADD', STREAM, '*', 'trimmed', '')
    call('HSET', TOTALS, LAST, id, BLANK, id)
    return { 'marked', id, 0 }
  end
  call('HSET', TOTALS, CUT, from)
  local removed, more = trim(STREAM, from)
  if more then return { 'more', from, removed } end
  return { 'done', '', removed + call('XDEL', STREAM, from) }
end

-- A value was cut at 256 bytes, perhaps within the id; and a list may be written with escapes. Such an entry goes too: nobody
-- reads on from it.
local count = slice_of(REJECTED)
local found, gone = call('XRANGE', REJECTED, from, '+', 'COUNT', count), {}
for e = 1, #found do
  local fields = found[e][2]
  -- The first four are the reason and the id of the entry.
  for i = 5, #fields do
    local value = fields[i]
    if #value >= ID_BYTES_MAX - 3 or find(value, user, 1, true) or find(value, '\\', 1, true) then
      gone[#gone + 1] = found[e][1]
      break
    end
  end
end
if #gone > 0 then call('XDEL', REJECTED, unpack(gone)) end
if #found < count then return { 'done', '', #gone } end
return { 'more', '(' .. found[#found][1], #gone }

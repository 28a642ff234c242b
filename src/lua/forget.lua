--[[
  forget: one bounded step of forgetting a user. src/projector/forget.ts calls this; docs/privacy.md says what is removed and what is not.

  KEYS     as for project.lua
  ARGV[1]  what
             'find'      the newest entry of `changes` that names the user, a slice from ARGV[3] back ('+' at first)
             'cut'       removes the entries of `changes` up to the id in ARGV[3], in slices. If it is the last one, first appends an
                         entry without users, so that followers can read on before theirs is gone, and removes nothing
             'find-moves', 'cut-moves'  the same for `moves`, the changes of scopes
             'rejected'  removes the entries of `rejected` that name the user, or may: a slice from ARGV[3] on ('-' at first)
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

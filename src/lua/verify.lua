--[[
  verify: one bounded step of an audit. docs/protocol.md is the specification; src/projector/verify.ts calls this.

  KEYS     as for project.lua
  ARGV[1]  what
             'mark'     returns a mark, which must not change while a shard is counted
             'users'    a slice of `users`: returns the sockets counted per slot. ARGV[5] is the last slot assigned, and from
                        ARGV[6] on the ranges of slots up to it that are in use, first and last of each; read before the scan
             'leaving'  a slice of `leaving`
             'states'   a slice of `states`: returns its fields
             'fence'    fences a process whose sum differs: ARGV[5] its id, ARGV[6] its line of `states`, ARGV[7] why
             'totals'   ARGV[5..6]: the sums of sockets and connections
  ARGV[2]  '1': correct differences
  ARGV[3]  the cursor of a slice, or the mark that must not have changed
  ARGV[4]  about how many items a slice checks

  Returns { cursor or mark, items checked, number of differences, number of values, values..., differences... }. A difference
  is kind, name, the value found ('' if unreadable) and the value expected. If the mark has changed, it returns the new one and
  does nothing. Differences are corrected in the same call.
]]
local call, match, gmatch, format = redis.call, string.match, string.gmatch, string.format
local USERS, TOTALS, PROCESSES, STATES = KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local ABOUT, LEAVING, CHANGES = KEYS[6], KEYS[7], KEYS[8]
local what, repair, cursor, limit = ARGV[1], ARGV[2] == '1', ARGV[3], ARGV[4]

local values, differences, count, looked = {}, {}, 0, 0

local function differs(kind, name, found, expected)
  local n = #differences
  count = count + 1
  differences[n + 1], differences[n + 2], differences[n + 3], differences[n + 4] = kind, name, found, expected
end

local function reply(first)
  local out = { first, looked, count, #values }
  for i = 1, #values do out[#out + 1] = values[i] end
  for i = 1, #differences do out[#out + 1] = differences[i] end
  return out
end

-- Every write of a projector call changes at least one of these.
local function mark()
  local t = call('HMGET', TOTALS, 'ran', 'folded', 'change', 'scan', 'pass', 'users', 'graced', 'sockets', 'fenced')
  for i = 1, #t do t[i] = t[i] or '' end
  return table.concat(t, ' ')
end

local function in_chunks(command, key, list)
  for first = 1, #list, VALUES_MAX do
    local last = first + VALUES_MAX - 1
    if last > #list then last = #list end
    call(command, key, unpack(list, first, last))
  end
end

-- A correction may have changed these counts.
local function count_again()
  call('HSET', TOTALS, 'users', call('HLEN', USERS), 'graced', call('ZCARD', LEAVING))
end

if what == 'mark' then return reply(mark()) end

if what == 'users' then
  -- Slots in use: of existing processes, ended ones whose users are being removed included, and of all that registered later. A
  -- slot is never reused, so the list read before the scan is enough to find an unused one; it is checked again before removal.
  local last_slot, somebody, exact = tonumber(ARGV[5]), {}, false
  local last_now = tonumber(call('HGET', TOTALS, 'slots') or 0)
  -- Redis was flushed since: nothing is known about these slots.
  if last_now < last_slot then last_slot = 0 end

  local function is_somebodys(slot)
    if somebody[slot] == nil then
      local n, low, high = tonumber(slot), 0, (#ARGV - 5) / 2
      somebody[slot] = n > last_slot and n <= last_now
      while not somebody[slot] and low < high do
        local middle = math.floor((low + high) / 2)
        if n < tonumber(ARGV[6 + 2 * middle]) then high = middle
        elseif n > tonumber(ARGV[7 + 2 * middle]) then low = middle + 1
        else somebody[slot] = true end
      end
      if not somebody[slot] and repair and not exact then
        exact = true
        local leases = call('ZRANGE', PROCESSES, 0, -1)
        for l = 1, #leases do somebody[match(leases[l], '^(%d+):')] = true end
      end
    end
    return somebody[slot]
  end

  local page = call('HSCAN', USERS, cursor, 'COUNT', limit)
  local found, sums, seen = page[2], {}, {}
  local set, gone, ended, graced = {}, {}, {}, {}
  looked = #found / 2
  for i = 1, #found, 2 do
    local id, v = found[i], found[i + 1]
    if v == '0' then graced[#graced + 1] = id
    else
      local rest, all, good, bad = {}, 0, 0, false
      for one in gmatch(v .. ',', '([^,]*),') do
        local slot, k = match(one, '^([1-9]%d*)(.*)$')
        local n = k == '' and 1 or k and tonumber(match(k, '^%*([1-9]%d*)$'))
        if not slot or not n or n > 1e9 or seen[slot] == id then bad = true
        else
          seen[slot] = id
          all = all + n
          if is_somebodys(slot) then
            good = good + n
            sums[slot] = (sums[slot] or 0) + n
            rest[#rest + 1] = one
          end
        end
      end
      if bad or good ~= all then
        differs('user', id, bad and '' or format('%.0f', all), format('%.0f', good))
        if #rest > 0 then set[#set + 1], set[#set + 2] = id, table.concat(rest, ',')
        else gone[#gone + 1] = id end
      end
    end
  end
  for first = 1, #graced, VALUES_MAX do
    local last = math.min(#graced, first + VALUES_MAX - 1)
    local deadlines = call('ZMSCORE', LEAVING, unpack(graced, first, last))
    for i = 1, #deadlines do
      if not deadlines[i] then
        local id = graced[first + i - 1]
        differs('grace', id, '0', '1')
        gone[#gone + 1] = id
      end
    end
  end
  if repair and #set + #gone > 0 then
    in_chunks('HSET', USERS, set)
    in_chunks('HDEL', USERS, gone)
    if #gone > 0 then
      in_chunks('ZREM', LEAVING, gone)
      call('HSET', TOTALS, 'change', call('XADD', CHANGES, 'MAXLEN', '~', CHANGES_KEPT, '*', 'repair', cjson.encode(gone)))
    end
    count_again()
  end
  for slot, n in pairs(sums) do
    values[#values + 1] = slot
    values[#values + 1] = format('%.0f', n)
  end
  return reply(page[1])
end

if what == 'leaving' then
  local page = call('ZSCAN', LEAVING, cursor, 'COUNT', limit)
  local found, ids, stray = page[2], {}, {}
  for i = 1, #found, 2 do ids[#ids + 1] = found[i] end
  for first = 1, #ids, VALUES_MAX do
    local last = math.min(#ids, first + VALUES_MAX - 1)
    local now = call('HMGET', USERS, unpack(ids, first, last))
    for i = 1, #now do
      if now[i] ~= '0' then
        differs('grace', ids[first + i - 1], '1', '0')
        stray[#stray + 1] = ids[first + i - 1]
      end
    end
  end
  if repair and #stray > 0 then
    in_chunks('ZREM', LEAVING, stray)
    count_again()
  end
  return reply(page[1])
end

if what == 'states' then
  local page = call('HSCAN', STATES, cursor, 'COUNT', limit)
  values = page[2]
  return reply(page[1])
end

if mark() ~= cursor then return reply('') end

if what == 'fence' then
  local id, line, why = ARGV[5], ARGV[6], ARGV[7]
  local rest, slot = match(line, '^live (%d+ %d+ %d+ %d+ (%d+) %d+)$')
  if call('HGET', STATES, id) == line and rest then
    local good, about = pcall(cjson.decode, call('HGET', ABOUT, id) or '{}')
    if not good or type(about) ~= 'table' then about = {} end
    about.reason = why
    local time = call('TIME')
    local now = time[1] * 1000 + math.floor(time[2] / 1000)
    call('HSET', STATES, id, 'fenced ' .. rest)
    call('HSET', ABOUT, id, cjson.encode(about))
    call('ZADD', PROCESSES, 'GT', format('%.0f', now + FENCED_LEASES * (tonumber(about.ttl) or TTL_MS_MAX)), slot .. ':' .. id)
    call('HINCRBY', TOTALS, 'fenced', 1)
  end
  return reply(mark())
end

local expected = { users = format('%.0f', call('HLEN', USERS)), graced = format('%.0f', call('ZCARD', LEAVING)),
  sockets = ARGV[5], connections = ARGV[6] }
local names = { 'users', 'graced', 'sockets', 'connections' }
for i = 1, #names do
  local name = names[i]
  local found = call('HGET', TOTALS, name) or '0'
  if found ~= expected[name] then
    differs('total', name, found, expected[name])
    if repair then call('HSET', TOTALS, name, expected[name]) end
  end
end
return reply(mark())

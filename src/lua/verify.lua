--[[
  verify: one bounded step of an audit. docs/protocol.md is the specification; src/projector/verify.ts calls this.

  KEYS     as for project.lua
  ARGV[1]  what
             'mark'     returns a mark, which must not change while a shard is counted, and the users in grace in scopes ('': there is nothing to
                        check in scopes)
             'users'    a slice of `users`: returns the sockets counted per slot. ARGV[5] is the last slot assigned, and from
                        ARGV[6] on the ranges of slots up to it that are in use, first and last of each; read before the scan
             'leaving'  a slice of `leaving`
             'states'   a slice of `states`: returns its fields
             'names'    a slice of `scopes`: returns names
             'scopes'   hashes of the scopes in ARGV[3] (verify/scopes.lua), with ARGV[5…] as for 'users'. Returns how many of them were not read at
                        once, for each its name and the users and sockets counted; then the memberships counted per slot
             'own'      `scopes:<slot>` of the slots in ARGV[3]: returns for each its slot, its sum, and the sum of its fields
             'lingering', 'lingerers'  a slice of either
             'score'    ARGV[5..7]: a scope that was not read at once, the users and sockets counted
             'fence'    fences a process whose sum differs: ARGV[5] its id, ARGV[6] its line of `states`, ARGV[7] why
             'totals'   ARGV[5..6]: the sums of sockets and connections; ARGV[7]: that of memberships, '' if scopes are not checked
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
  local t = call('HMGET', TOTALS, 'ran', 'folded', 'change', 'scan', 'pass', 'users', 'graced', 'sockets', 'fenced', 'scoped', 'sweep', 'lingering',
    'clearing')
  for i = 1, #t do t[i] = t[i] or '' end
  return table.concat(t, ' '), t[#t] ~= '1' and t[#t - 1] or ''
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

if what == 'mark' then
  local all
  all, values[1] = mark()
  return reply(all)
end

-- Slots in use: of existing processes, ended ones whose users are being removed included, and of all that registered later. A
-- slot is never reused, so the list read before the scan is enough to find an unused one; it is checked again before removal.
local last_slot, last_now, somebody, exact = tonumber(ARGV[5]), nil, {}, false

local function is_somebodys(slot)
  if not last_now then
    last_now = tonumber(call('HGET', TOTALS, 'slots') or 0)
    -- Redis was flushed since: nothing is known about these slots.
    if last_now < last_slot then last_slot = 0 end
  end
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

-- The slots in a value that are somebody's, their sockets and all sockets, and whether some of it cannot be read. sums: slot -> sockets, added up.
local function slots_in(v, sums)
  local rest, good, all, bad, seen = {}, 0, 0, false, {}
  for one in gmatch(v .. ',', '([^,]*),') do
    local slot, k = match(one, '^([1-9]%d*)(.*)$')
    local n = k == '' and 1 or k and tonumber(match(k, '^%*([1-9]%d*)$'))
    if not slot or not n or n > 1e9 or seen[slot] then bad = true
    else
      seen[slot] = true
      all = all + n
      if is_somebodys(slot) then
        good = good + n
        sums[slot] = (sums[slot] or 0) + n
        rest[#rest + 1] = one
      end
    end
  end
  return rest, good, all, bad
end

-- include verify/scopes.lua

if what == 'users' then
  local page = call('HSCAN', USERS, cursor, 'COUNT', limit)
  local found, sums = page[2], {}
  local set, gone, ended, graced = {}, {}, {}, {}
  looked = #found / 2
  for i = 1, #found, 2 do
    local id, v = found[i], found[i + 1]
    if v == '0' then graced[#graced + 1] = id
    else
      local rest, good, all, bad = slots_in(v, sums)
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
      call('HSET', TOTALS, 'change', call('XADD', CHANGES, 'MAXLEN', '~', CHANGES_KEPT_MAX, '*', 'repair', cjson.encode(gone)))
      -- The last number, where changes are counted (project/history.lua).
      local counted, repaired = match(call('HGET', TOTALS, 'counted') or '', '^(.* )(%d+)$')
      if counted then call('HSET', TOTALS, 'counted', counted .. format('%.0f', repaired + #gone)) end
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

if (mark()) ~= cursor then return reply('') end

if what == 'score' then
  local score = tonumber(call('ZMSCORE', SCOPES, ARGV[5])[1] or nil)
  if score then compare_score(ARGV[5], score, tonumber(ARGV[6]), tonumber(ARGV[7])) end
  return reply((mark()))
end

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
  return reply((mark()))
end

local expected = { users = format('%.0f', call('HLEN', USERS)), graced = format('%.0f', call('ZCARD', LEAVING)),
  sockets = ARGV[5], connections = ARGV[6] }
local function compare(name, found, wanted)
  if found == wanted then return false end
  differs('total', name, found, wanted)
  return repair
end
local names = { 'users', 'graced', 'sockets', 'connections' }
for i = 1, #names do
  local name = names[i]
  if compare(name, call('HGET', TOTALS, name) or '0', expected[name]) then call('HSET', TOTALS, name, expected[name]) end
end
if ARGV[7] ~= '' then
  local lingering, kept = format('%.0f', call('ZCARD', LINGERING)), format('%.0f', call('ZCARD', SCOPES))
  local scopes, memberships, telling = match(call('HGET', TOTALS, 'scoped') or '', '^(%d+) (%d+) (%d+)$')
  if compare('lingering', call('HGET', TOTALS, 'lingering') or '0', lingering) then call('HSET', TOTALS, 'lingering', lingering) end
  local other_scopes, other_memberships = compare('scopes', scopes or '0', kept), compare('memberships', memberships or '0', ARGV[7])
  if other_scopes or other_memberships then
    call('HSET', TOTALS, 'scoped', kept .. ' ' .. ARGV[7] .. ' ' .. (telling or '0'))
  end
end
return reply((mark()))

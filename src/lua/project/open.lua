-- open: whose keys are these, may this call go on, and do the parts agree?
-- gives: TYPES check_keys check_permissions check_scopes check_types_of_scopes clear_scopes compare_sums follow_clock open rebuild to_head
-- reads: ABOUT BY_RANGE CHANGES ENDED LEAVING PROCESSES RECORDS STATES TOTALS USERS back call change clearing connections entries find floor format graced longest match more_fields now pass put ran rebuilt remembered scan slots sockets sub sweep t try users

local TYPES = { 'stream', 'hash', 'hash', 'zset', 'hash', 'hash', 'zset', 'stream', 'stream', 'zset', 'string' }

-- Every command that a call may need, before the first of them writes. Redis 6.2 cannot be asked.
local function check_permissions()
  if not redis.acl_check_cmd then return end
  local tag = sub(RECORDS, 1, -8)
  local needed = {
    { 'XLEN', RECORDS }, { 'XRANGE', RECORDS, '-', '+' }, { 'XTRIM', RECORDS, 'MINID', '0' }, { 'XDEL', RECORDS, '0' }, { 'DEL', RECORDS },
    { 'HMGET', USERS, '' }, { 'HSET', USERS, '', '' }, { 'HDEL', USERS, '' }, { 'HLEN', USERS }, { 'HSCAN', USERS, '0' }, { 'UNLINK', USERS },
    { 'HGET', STATES, '' }, { 'ZADD', PROCESSES, '0', '' }, { 'ZREM', PROCESSES, '' }, { 'ZRANGE', PROCESSES, '0', '0' }, { 'ZCARD', PROCESSES },
    { 'ZRANGEBYSCORE', LEAVING, '0', '0' }, { 'XADD', CHANGES, '*', '', '' }, { 'PTTL', KEYS[11] }, { 'SET', KEYS[11], '' },
    { 'TYPE', RECORDS }, { 'XGROUP', 'SETID', RECORDS, 'projector', '0' }, { 'XGROUP', 'CREATE', RECORDS, 'projector', '0' },
    { 'ZMSCORE', tag .. 'scopes', '' }, { 'SMISMEMBER', tag .. 'told', '' }, { 'SADD', tag .. 'told', '' }, { 'SREM', tag .. 'told', '' },
    { 'SCARD', tag .. 'told' },
    { 'ZRANGEBYLEX', tag .. 'lingerers', '-', '+' }, { 'HSET', tag .. 'scope:/', '', '' },
  }
  if t.history then
    needed[#needed + 1] = { 'PFADD', tag .. 'distinct:0', '' }
    if find(ARGV[9], ' history [', 1, true) then needed[#needed + 1] = { 'PEXPIRE', tag .. 'minutes:/', '1' } end
  end
  if not BY_RANGE then needed[#needed + 1] = { 'XREADGROUP', 'GROUP', 'projector', 'projector', 'STREAMS', RECORDS, '>' } end
  for i = 1, #needed do
    local good, may = pcall(redis.acl_check_cmd, unpack(needed[i]))
    if good and not may then error('PRESENCE_PERMISSION ' .. needed[i][1], 0) end
  end
end

-- Everything derived is forgotten, and followers are told that some changes are lost; the processes find themselves unknown
-- and register afresh. What FLUSHALL does, for a projection of which a part is gone.
local function rebuild(reason)
  local tag = sub(RECORDS, 1, -8)
  if t.lingering or not t[1] then
    -- Of either, since the other may be what is gone.
    local keys, leases, at = {}, call('ZRANGE', PROCESSES, 0, PROCESSES_MAX - 1), '0'
    local function forget_slot(slot)
      keys[#keys + 1], keys[#keys + 2] = tag .. 'scopes:' .. slot, tag .. 'sockets:' .. slot
    end
    for i = 1, #leases do forget_slot(match(leases[i], '^%d*')) end
    repeat
      local page = call('HSCAN', STATES, at, 'COUNT', VALUES_MAX)
      at = page[1]
      for i = 2, #page[2], 2 do
        local slot = match(page[2][i], '^%a+ %d+ %d+ %d+ %d+ (%d+)')
        if slot then forget_slot(slot) end
      end
    until at == '0'
    -- Both are: then those that were given last.
    if #keys == 0 then
      for slot = math.max(1, slots - VALUES_MAX / 2 + 1), slots do forget_slot(slot) end
    end
    for first = 1, #keys, VALUES_MAX do
      call('UNLINK', unpack(keys, first, math.min(#keys, first + VALUES_MAX - 1)))
    end
    call('UNLINK', tag .. 'lingering', tag .. 'lingerers', tag .. 'told')
    call('XTRIM', tag .. 'moves', 'MAXLEN', 0)
    t.moved = call('XADD', tag .. 'moves', '*', 'rebuilt', reason)
    t.lingering, t.counts, clearing, sweep = 0, { 0, 0, 0 }, true, ''
  end
  call('UNLINK', USERS, PROCESSES, STATES, ABOUT, LEAVING, ENDED)
  call('XTRIM', CHANGES, 'MAXLEN', 0)
  change = call('XADD', CHANGES, '*', 'rebuilt', reason)
  users, sockets, connections, graced, remembered, longest, scan, pass = 0, 0, 0, 0, 0, 0, '0', ''
  rebuilt = 1
end

-- After a rebuild the hashes of scopes are deleted, some a call. Returns whether there may be more.
local function clear_scopes()
  if not clearing then return false end
  local tag = sub(RECORDS, 1, -8)
  local found = call('ZRANGE', tag .. 'scopes', 0, CLEARED_MAX - 1)
  if #found > 0 then
    local keys = {}
    for i = 1, #found do keys[i] = tag .. 'scope:' .. found[i] end
    call('UNLINK', unpack(keys))
    call('ZREM', tag .. 'scopes', unpack(found))
  end
  clearing = #found == CLEARED_MAX
  return clearing
end

-- The type of each key of scopes whose name is known, before anything is written.
local function check_types_of_scopes()
  local tag = sub(RECORDS, 1, -8)
  local types = { scopes = 'zset', lingering = 'zset', lingerers = 'zset', told = 'set', moves = 'stream' }
  for name, expected in pairs(types) do
    local kind = call('TYPE', tag .. name).ok
    if kind ~= 'none' and kind ~= expected then error('PRESENCE_TYPE ' .. tag .. name .. ': holds a ' .. kind, 0) end
  end
end

-- Compares how many scopes and memberships there are with what calls have counted. Returns why they do not agree, if so. most: for up to
-- how many processes memberships are added up.
local function compare_sums(most)
  local tag = sub(RECORDS, 1, -8)
  local kept, open, telling = match(t[24] or '', '^(%d+) (%d+) (%d+)$')
  local there = call('ZCARD', tag .. 'scopes')
  if there ~= tonumber(kept or 0) then return 'scopes: ' .. there .. ' there, ' .. (kept or 0) .. ' counted' end
  -- The number, not whether there is one: joins since its loss make it anew, with themselves alone.
  local told = call('SCARD', tag .. 'told')
  if told ~= tonumber(telling or 0) then return 'told: ' .. told .. ' there, ' .. (telling or 0) .. ' counted' end
  if call('ZCARD', PROCESSES) > most then return end
  local leases, sum = call('ZRANGE', PROCESSES, 0, most - 1), 0
  for i = 1, #leases do
    local key = tag .. 'scopes:' .. match(leases[i], '^%d*')
    local one = try('HGET', key, '')
    if type(one) == 'table' then error('PRESENCE_TYPE ' .. key .. ': holds another type', 0) end
    sum = sum + (tonumber(one or 0) or 0)
  end
  if sum ~= tonumber(open or 0) then return 'memberships: ' .. format('%.0f', sum) .. ' there, ' .. (open or 0) .. ' counted' end
end

-- Compares some scopes with their numbers, in turn, and what lingers. Returns why they do not agree, if so.
local function check_scopes()
  local tag = sub(RECORDS, 1, -8)
  local until_when, by_user = call('ZCARD', tag .. 'lingering'), call('ZCARD', tag .. 'lingerers')
  if until_when ~= t.lingering or by_user ~= t.lingering then
    return 'lingering: ' .. until_when .. ' and ' .. by_user .. ' there, ' .. format('%.0f', t.lingering) .. ' counted'
  end
  local reason = compare_sums(SUMMED_MAX)
  if reason then return reason end
  local from = tonumber(more_fields[14] or 0)
  local found = call('ZRANGE', tag .. 'scopes', from, from + SCOPES_CHECKED - 1, 'WITHSCORES')
  put('compared', #found < 2 * SCOPES_CHECKED and 0 or from + SCOPES_CHECKED)
  for i = 1, #found, 2 do
    local key, there = tag .. 'scope:' .. found[i], floor(tonumber(found[i + 1]) / SCOPE_UNIT)
    local kind = call('TYPE', key).ok
    if kind ~= 'hash' and kind ~= 'none' then error('PRESENCE_TYPE ' .. key .. ': holds a ' .. kind, 0) end
    local fields = call('HLEN', key)
    if fields == 0 or fields ~= there + (call('HGET', key, '') and 1 or 0) then
      return 'scope: ' .. fields .. ' there, ' .. there .. ' counted'
    end
  end
end

-- Reading goes on at the head of the log: what was folded has left it.
local function to_head()
  if BY_RANGE then return end
  local reply = try('XGROUP', 'SETID', RECORDS, 'projector', '0')
  if reply.err then call('XGROUP', 'CREATE', RECORDS, 'projector', '0', 'MKSTREAM') end
end

-- Two callers agree on the keys of records when each accepts what the other signs with: the first of its keys.
local function check_keys()
  local ours, theirs = ARGV[10] or '', t[20] or ''
  if ours == theirs then return end
  local function is_accepted(signer, by)
    if by == '' or by == 'unsigned' then return true end
    local first = signer == '' and 'unsigned' or match(signer, '^%S+')
    return find(' ' .. by .. ' ', ' ' .. first .. ' ', 1, true)
  end
  if t[1] and not (is_accepted(ours, theirs) and is_accepted(theirs, ours)) then
    error('PRESENCE_MAC [' .. theirs .. '], not [' .. ours .. ']', 0)
  end
  put('mac', ours)
end

local function open()
  if ARGV[7] == '2' then check_permissions() end
  if t[1] and t[1] ~= ARGV[1] then
    error('PRESENCE_SHARDS this prefix was opened with ' .. t[1] .. ' shard(s), not ' .. ARGV[1], 0)
  end
  if t[2] and tonumber(t[2]) > tonumber(PROTOCOL) or t[1] and not t[2] then
    error('PRESENCE_VERSION ' .. (t[2] or '1') .. ', not ' .. PROTOCOL, 0)
  end
  check_keys()
  -- In every careful call, which writes in several phases: none of them must fail after another has written.
  for i = 1, #KEYS do
    local kind = call('TYPE', KEYS[i]).ok
    if kind ~= 'none' and kind ~= TYPES[i] then error('PRESENCE_TYPE ' .. KEYS[i] .. ': holds a ' .. kind, 0) end
  end
  if t.lingering or not t[1] then check_types_of_scopes() end
  if not t[1] or ARGV[7] ~= '' or now < ran or now - tonumber(t[12] or 0) >= CHECK_MS then
    local present, registered, known = call('HLEN', USERS), call('ZCARD', PROCESSES), call('HLEN', STATES)
    local in_grace, tombs, described = call('ZCARD', LEAVING), call('ZCARD', ENDED), call('HLEN', ABOUT)
    local orphans = not t[1] and call('ZCARD', sub(RECORDS, 1, -8) .. 'scopes') or 0
    if not t[1] and (present + registered + known + in_grace + orphans > 0) then rebuild('totals are gone')
    elseif present ~= users then rebuild('users: ' .. present .. ' there, ' .. format('%.0f', users) .. ' counted')
    elseif known ~= remembered then rebuild('states: ' .. known .. ' there, ' .. format('%.0f', remembered) .. ' known')
    elseif registered + tombs ~= known then rebuild('processes: ' .. registered + tombs .. ' there, ' .. known .. ' known')
    elseif described < registered then rebuild('about: ' .. described .. ' there, ' .. registered .. ' processes')
    elseif in_grace ~= graced then rebuild('grace: ' .. in_grace .. ' there, ' .. format('%.0f', graced) .. ' counted')
    elseif t.lingering and not clearing then
      local reason = check_scopes()
      if reason then rebuild(reason) end
    end
    if ARGV[4] == '' and call('PTTL', KEYS[11]) < CLOCK_MS / 2 then
      local at = format('%.0f', now + CLOCK_MS)
      call('SET', KEYS[11], at, 'PXAT', at)
    end
    put('checked', now)
  end
  if not entries then to_head() end
end

-- When the clock has gone back since the last call, so do all leases, and by as much: nobody's lasts longer than it should. The
-- users in grace are dealt with by `expire`, a bounded number a call.
local function follow_clock()
  local by = ran - now
  if by <= 0 then return end
  back = true
  local leases = call('ZRANGE', PROCESSES, 0, PROCESSES_MAX - 1, 'WITHSCORES')
  for i = 1, #leases, 2 do
    local deadline = tonumber(leases[i + 1])
    if deadline > 0 then call('ZADD', PROCESSES, deadline > by and deadline - by or 1, leases[i]) end
  end
  -- At once: were this call to fail, the next one would move them again.
  call('HSET', TOTALS, 'ran', format('%.0f', now), 'back', '1')
end

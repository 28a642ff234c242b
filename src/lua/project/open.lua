-- open: whose keys are these, may this call go on, and do the parts agree?

local TYPES = { 'stream', 'hash', 'hash', 'zset', 'hash', 'hash', 'zset', 'stream', 'stream', 'zset' }

-- Every write a call may need, in a form that changes nothing, on keys that have the right types by now.
local function try_all()
  local none = '\1'
  local tries = {
    { 'XLEN', RECORDS }, { 'XRANGE', RECORDS, '-', '+', 'COUNT', 1 }, { 'XTRIM', RECORDS, 'MINID', '0-0' },
    { 'HMGET', USERS, none }, { 'HDEL', USERS, none }, { 'HLEN', USERS }, { 'HSCAN', USERS, '0', 'COUNT', 1, 'MATCH', none },
    { 'ZADD', PROCESSES, 'XX', 0, none }, { 'ZREM', PROCESSES, none }, { 'ZRANGE', PROCESSES, 0, 0 }, { 'ZCARD', PROCESSES },
    { 'ZRANGEBYSCORE', LEAVING, '-inf', '(0', 'LIMIT', 0, 1 }, { 'ZSCORE', LEAVING, none }, { 'XDEL', CHANGES, '0-1' },
    { 'DEL', RECORDS .. none }, { 'UNLINK', RECORDS .. none }, { 'HSETNX', TOTALS, 'shards', ARGV[1] },
  }
  if not BY_RANGE then tries[#tries + 1] = { 'XGROUP', 'SETID', RECORDS, 'projector', '0' } end
  for i = 1, #tries do
    local reply = try(unpack(tries[i]))
    local err = type(reply) == 'table' and reply.err
    if err and (find(err, '^NOPERM') or find(err, 'unknown command', 1, true) or find(err, 'permission', 1, true)) then
      error('PRESENCE_PERMISSION ' .. tries[i][1] .. ': ' .. err, 0)
    end
  end
end

-- Everything derived is forgotten, and followers are told that some changes are lost; the processes find themselves unknown
-- and register afresh. What FLUSHALL does, for a projection of which a part is gone.
local function rebuild(reason)
  call('UNLINK', USERS, PROCESSES, STATES, ABOUT, LEAVING, ENDED)
  call('XTRIM', CHANGES, 'MAXLEN', 0)
  change = call('XADD', CHANGES, '*', 'rebuilt', reason)
  users, sockets, connections, graced, longest, scan, pass = 0, 0, 0, 0, 0, '0', ''
  rebuilt = 1
end

-- Reading goes on at the head of the log: what was folded has left it.
local function to_head()
  if BY_RANGE then return end
  local reply = try('XGROUP', 'SETID', RECORDS, 'projector', '0')
  if reply.err then call('XGROUP', 'CREATE', RECORDS, 'projector', '0', 'MKSTREAM') end
end

local function open()
  if t[1] and t[1] ~= ARGV[1] then
    error('PRESENCE_SHARDS this prefix was opened with ' .. t[1] .. ' shard(s), not ' .. ARGV[1], 0)
  end
  if t[2] and tonumber(t[2]) > tonumber(PROTOCOL) or t[1] and not t[2] then
    error('PRESENCE_VERSION ' .. (t[2] or '1') .. ', not ' .. PROTOCOL, 0)
  end
  if not t[1] or ARGV[7] ~= '' or now < ran or now - tonumber(t[12] or 0) >= CHECK_MS then
    for i = 1, #KEYS do
      local kind = call('TYPE', KEYS[i]).ok
      if kind ~= 'none' and kind ~= TYPES[i] then error('PRESENCE_TYPE ' .. KEYS[i] .. ': holds a ' .. kind, 0) end
    end
    if ARGV[7] == '2' then try_all() end
    local present, registered, known = call('HLEN', USERS), call('ZCARD', PROCESSES), call('HLEN', STATES)
    local in_grace, tombs = call('ZCARD', LEAVING), call('ZCARD', ENDED)
    if not t[1] and (present + registered + known + in_grace > 0) then rebuild('totals are gone')
    elseif present ~= users then rebuild('users: ' .. present .. ' there, ' .. format('%.0f', users) .. ' counted')
    elseif registered + tombs ~= known then rebuild('processes: ' .. registered + tombs .. ' there, ' .. known .. ' known')
    elseif in_grace ~= graced then rebuild('grace: ' .. in_grace .. ' there, ' .. format('%.0f', graced) .. ' counted') end
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

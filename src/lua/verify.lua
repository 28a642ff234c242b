--[[
  verify: hold a bounded part of the projection against the per-process counts, and repair it if asked.

  KEYS      as in project.lua
  ARGV[1]   process_prefix  `{presence}:process:`
  ARGV[2]   part            'users': who is in `users`; 'process': who is on one process; 'totals'
  ARGV[3]   process         its id, for 'process'
  ARGV[4]   cursor          '0' to begin, then what the last call returned
  ARGV[5]   budget          most lookups of one call: users times processes (INV-7)
  ARGV[6]   repair          '1': mend what differs, and tell the transitions that makes, with the cause `repair`

  Returns a flat array:
    [1] cursor       '0': this part is done
    [2] checked      users looked at; for 'totals', fields
    [3] differences  how many
    [4] processes    how many there are, and after them their ids (for 'totals' only; otherwise 0)
    then, for up to 100 of the differences: name, found, expected; `found` is '' for an absent user

  A call is atomic and INV-1 holds between calls, so each part is exact while everything goes on.
]]

local USERS, TOTALS, PROCESSES, LEAVING, CHANGES = KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local PROCESS, PART, BUDGET, REPAIR = ARGV[1], ARGV[2], tonumber(ARGV[5]), ARGV[6] == '1'
local RECORDS, GROUP = KEYS[1], 'projector'
local VALUES_MAX = 4000
local CHANGES_KEPT = 100000
local PROCESSES_MAX = 2000
local EXAMPLES_MAX = 100
local call, pcall = redis.call, redis.pcall
local tonumber, unpack, floor, find, format = tonumber, unpack, math.floor, string.find, string.format

-- include parts/commands.lua

local ids = checked(pcall('ZRANGE', PROCESSES, 0, PROCESSES_MAX - 1), PROCESSES)
local reply = { '0', 0, 0, 0 }

local function differs(name, found, expected)
  reply[3] = reply[3] + 1
  if reply[3] > EXAMPLES_MAX then return end
  local n = #reply
  reply[n + 1], reply[n + 2], reply[n + 3] = name, found, expected
end

local function verify_totals()
  local names, sums = { 'users', 'sockets', 'connections' }, { checked(pcall('HLEN', USERS), USERS), 0, 0 }
  reply[4] = #ids
  for i = 1, #ids do
    reply[#reply + 1] = ids[i]
    local counts = checked(pcall('HMGET', PROCESS .. ids[i], 'sockets', 'connections'), PROCESS .. ids[i])
    sums[2] = sums[2] + tonumber(counts[1] or 0)
    sums[3] = sums[3] + tonumber(counts[2] or 0)
  end
  local known = checked(pcall('HMGET', TOTALS, unpack(names)), TOTALS)
  for i = 1, 3 do
    reply[2] = reply[2] + 1
    if tonumber(known[i] or 0) ~= sums[i] then
      differs(names[i], known[i] or '', decimal[sums[i]])
      if REPAIR then call('HSET', TOTALS, names[i], decimal[sums[i]]) end
    end
  end
end

-- Holds `user[1..count]` against the sum over all processes.
local function verify_users(user, count)
  local found, sum = hmget(USERS, user, count), {}
  for i = 1, count do sum[i] = 0 end
  for p = 1, #ids do
    local held = hmget(PROCESS .. ids[p] .. ':users', user, count)
    for i = 1, count do
      if held[i] then sum[i] = sum[i] + tonumber(held[i]) end
    end
  end
  local set, sets, gone, goes, told, n, came = {}, 0, {}, 0, { 'cause', 'repair' }, 2, 0
  for i = 1, count do
    local id, was, is = user[i], found[i], sum[i]
    local right = (was and tonumber(was) or 0) == is
    -- Present without a socket: only while grace lasts.
    if right and was == '0' and not call('ZSCORE', LEAVING, id) then right = false end
    if not right then
      differs(id, was or '', decimal[is])
      if is > 0 then
        set[sets + 1], set[sets + 2] = id, decimal[is]
        sets = sets + 2
        if not was then
          told[n + 1], told[n + 2] = 'online', id
          n, came = n + 2, came + 1
        end
      else
        goes = goes + 1
        gone[goes] = id
        told[n + 1], told[n + 2] = 'offline', id
        n, came = n + 2, came - 1
      end
    end
  end
  reply[2] = count
  if not REPAIR or reply[3] == 0 then return end
  if n > 2 then
    local change = checked(pcall('XADD', CHANGES, 'MAXLEN', '~', CHANGES_KEPT, '*', unpack(told)), CHANGES)
    call('HSET', TOTALS, 'change', change)
  end
  if came ~= 0 then call('HINCRBY', TOTALS, 'users', came) end
  variadic('HSET', USERS, set, sets)
  variadic('HDEL', USERS, gone, goes)
  variadic('ZREM', LEAVING, gone, goes)
end

local function verify_page(key)
  local limit = floor(BUDGET / (#ids + 1))
  if limit < 1 then limit = 1 end
  if limit > 1000 then limit = 1000 end
  local page = checked(pcall('HSCAN', key, ARGV[4], 'COUNT', limit), key)
  local user, seen, count = {}, {}, 0
  for i = 1, #page[2], 2 do
    local id = page[2][i]
    if not seen[id] then
      seen[id] = true
      count = count + 1
      user[count] = id
    end
  end
  reply[1] = page[1]
  if count > 0 then verify_users(user, count) end
end

if PART == 'totals' then
  verify_totals()
elseif PART == 'users' then
  verify_page(USERS)
else
  verify_page(PROCESS .. ARGV[3] .. ':users')
end
return reply

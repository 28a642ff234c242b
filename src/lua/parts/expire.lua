-- expire: let out the users whose grace is over, a bounded number a call.

-- Returns whether there are more of them.
local function expire()
  follow_clock_in_grace()
  local first = checked(pcall('ZRANGE', LEAVING, 0, 0, 'WITHSCORES'), LEAVING)
  if not first[1] then return false end
  local deadline = tonumber(first[2])
  if deadline > now or not MAY_REAP then
    -- Held as leases are: whoever lost Redis gets a moment to tell who is back.
    if deadline <= now then did.held = did.held + 1 end
    due_at(deadline)
    return false
  end
  local limit = floor((BUDGET - work) / 2)
  if limit < 1 then return true end
  local user = call('ZRANGEBYSCORE', LEAVING, '-inf', decimal[now], 'LIMIT', 0, limit)
  local count = #user
  local held = hmget(USERS, user, count)
  local gone, goes = {}, 0
  for i = 1, count do
    -- Only who has no socket at all: an entry left behind in `leaving` must not put anybody out.
    if held[i] == '0' then
      goes = goes + 1
      gone[goes] = user[i]
      values = put('grace', 'offline', user[i], values)
    end
  end
  counted(0, goes)
  publish()
  variadic('HDEL', USERS, gone, goes)
  variadic('ZREM', LEAVING, user, count)
  local next_one = call('ZRANGE', LEAVING, 0, 0, 'WITHSCORES')
  if not next_one[1] then return false end
  due_at(tonumber(next_one[2]))
  return tonumber(next_one[2]) <= now
end

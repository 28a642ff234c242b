-- clock: deadlines written while the clock was ahead, once it has gone back.

local LEASES_MAX = 2000         -- processes whose deadlines are moved; a cluster has fewer

-- The projector's own last run tells how far back the clock went. All leases move back by as much, so that nobody's
-- lasts longer than it should; the users in grace are dealt with by `expire`, a bounded number a call.
local function follow_clock()
  local back = last_ran - now
  if back <= 0 then return end
  clock_went_back = true
  local leases = checked(pcall('ZRANGE', PROCESSES, 0, LEASES_MAX - 1, 'WITHSCORES'), PROCESSES)
  local moved, n = {}, 0
  for i = 1, #leases, 2 do
    local deadline = tonumber(leases[i + 1])
    if deadline > 0 then
      moved[n + 1], moved[n + 2] = decimal[deadline > back and deadline - back or 1], leases[i]
      n = n + 2
    end
  end
  variadic('ZADD', PROCESSES, moved, n)
  -- At once: were this call to fail, the next one would move them again.
  call('HSET', TOTALS, 'ran', decimal[now], 'back', '1')
end

-- Brings graces that no process could have given back to the longest one that any gave. Bounded; the flag stays until
-- none is left.
local function follow_clock_in_grace()
  if not clock_went_back then return end
  local latest = decimal[now + longest_grace]
  local limit = floor((BUDGET - work) / 4)
  if limit < 1 then return end
  local user = checked(pcall('ZRANGEBYSCORE', LEAVING, '(' .. latest, '+inf', 'LIMIT', 0, limit), LEAVING)
  local moved, n = {}, 0
  for i = 1, #user do
    moved[n + 1], moved[n + 2] = latest, user[i]
    n = n + 2
  end
  variadic('ZADD', LEAVING, moved, n)
  work = work + #user
  if #user < limit then clock_went_back = false end
end

-- expire: removes the users whose grace is over, a bounded number per call.
-- gives: expire follow_clock_in_grace
-- reads: LEAVING MAY_REAP back budget call cause_of due_at floor format graced held is longest look_up now start_steps work write_steps

-- After the clock has gone back, graces longer than any process has are cut to the longest that one has.
local function follow_clock_in_grace()
  if not back then return end
  local latest = format('%.0f', now + longest)
  local limit = floor((budget - work) / 4)
  if limit < 1 then return end
  local ids = call('ZRANGEBYSCORE', LEAVING, '(' .. latest, '+inf', 'LIMIT', 0, limit)
  for i = 1, #ids do call('ZADD', LEAVING, latest, ids[i]) end
  work = work + #ids
  if #ids < limit then back = false end
end

-- Returns whether there are more.
local function expire()
  follow_clock_in_grace()
  local first = call('ZRANGE', LEAVING, 0, 0, 'WITHSCORES')
  if not first[1] then return back end
  local deadline = tonumber(first[2])
  if deadline > now or not MAY_REAP then
    -- Held, as leases are: a process that lost Redis gets time to append who is back.
    if deadline <= now then held = held + 1 end
    due_at(deadline)
    return back
  end
  local limit = floor((budget - work) / 2)
  if limit < 1 then return true end
  if limit > VALUES_MAX then limit = VALUES_MAX end
  local ids = call('ZRANGEBYSCORE', LEAVING, '-inf', format('%.0f', now), 'LIMIT', 0, limit)
  start_steps()
  look_up(ids)
  for i = 1, #ids do
    -- Only users without a socket: a stale entry in `leaving` must not remove a user.
    if is[ids[i]] == '0' then is[ids[i]], cause_of[ids[i]] = false, 'grace' end
  end
  write_steps()
  -- The removed users are no longer in it; the rest are stale entries.
  graced = graced - call('ZREM', LEAVING, unpack(ids))
  local next_one = call('ZRANGE', LEAVING, 0, 0, 'WITHSCORES')
  if not next_one[1] then return back end
  due_at(tonumber(next_one[2]))
  return back or tonumber(next_one[2]) <= now
end

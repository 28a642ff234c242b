-- expire: removes the users whose grace is over, a bounded number per call.
-- gives: expire expire_in_scopes follow_clock_in_grace
-- reads: LEAVING MAY_REAP RECORDS back budget call cause_of due_at floor format graced held is longest look_up match now scopes_here start_steps sub t work write_steps

-- After the clock has gone back, graces longer than any process has are cut to the longest that one has.
local function follow_clock_in_grace()
  if not back then return end
  local latest = format('%.0f', now + longest)
  local limit = floor((budget - work) / 4)
  if limit < 1 then return end
  local ids = call('ZRANGEBYSCORE', LEAVING, '(' .. latest, '+inf', 'LIMIT', 0, limit)
  for i = 1, #ids do call('ZADD', LEAVING, latest, ids[i]) end
  work = work + #ids
  local more = #ids == limit
  if (t.lingering or 0) > 0 then
    local key = sub(RECORDS, 1, -8) .. 'lingering'
    local members = call('ZRANGEBYSCORE', key, '(' .. latest, '+inf', 'LIMIT', 0, limit)
    for i = 1, #members do call('ZADD', key, latest, members[i]) end
    work = work + #members
    more = more or #members == limit
  end
  if not more then back = false end
end

-- Ends grace in scopes. Returns whether there is more to end.
local function expire_in_scopes()
  if (t.lingering or 0) == 0 then return false end
  local key = sub(RECORDS, 1, -8) .. 'lingering'
  local first = call('ZRANGE', key, 0, 0, 'WITHSCORES')
  if not first[1] then return false end
  local deadline = tonumber(first[2])
  if deadline > now or not MAY_REAP then
    if deadline <= now then held = held + 1 end
    due_at(deadline)
    return false
  end
  local limit = floor((budget - work) / 2)
  if limit < 1 then return true end
  if limit > VALUES_MAX then limit = VALUES_MAX end
  local members = call('ZRANGEBYSCORE', key, '-inf', format('%.0f', now), 'LIMIT', 0, limit)
  start_steps()
  local here, those, stray = scopes_here(), {}, {}
  for i = 1, #members do
    local digits = match(members[i], '^(%d+):')
    local from = #digits + 2
    local id, c = sub(members[i], from, from + digits - 1), here.scope_of(sub(members[i], from + digits))
    here.want(c, id)
    those[i] = { c, id }
  end
  here.read()
  for i = 1, #those do
    local c, id = those[i][1], those[i][2]
    if c.is[id] == '0' then c.is[id], c.cause[id] = false, 'grace' else stray[#stray + 1] = members[i] end
  end
  write_steps()
  -- Nobody lingers there: an entry that was left behind.
  if #stray > 0 then
    t.lingering = t.lingering - call('ZREM', key, unpack(stray))
    call('ZREM', sub(RECORDS, 1, -8) .. 'lingerers', unpack(stray))
  end
  work = work + #members
  local next_one = call('ZRANGE', key, 0, 0, 'WITHSCORES')
  if not next_one[1] then return false end
  due_at(tonumber(next_one[2]))
  return tonumber(next_one[2]) <= now
end

-- Returns whether there are more.
local function expire()
  follow_clock_in_grace()
  if expire_in_scopes() then return true end
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

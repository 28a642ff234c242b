-- counts: those that the records of a call change, read before and written after.

local present                   -- by position: the user's count in `users` before this call; false: absent
local before                    -- by place: the count on the process before this call; nil: none
local shares                    -- by process of `met`: what it has to do with the users

-- Ids and counts in turns, for HSET: of the users whose count is the same in the hash of their process and in `users`, as
-- nearly everybody's. Those of one process are side by side, so one list serves both hashes.
local same, sames

-- By position: what comes to or goes from the count in `users` of those who are not in `same`; and which positions that are.
local delta, changed, changes

-- The newcomers of a process, absent and named once, by a connect, go straight into `same` and into the entry of `changes`.
-- Returns the places of all others, and how they are called.
local function sort_out(process)
  local present, net, users, same, told = present, net, user_at, same, entry
  local n, ahead, odd, ask, odds = sames, values - sames, {}, {}, 0
  local records = process.records
  for r = 1, #records do
    for at = records[r].first, records[r].last do
      if present[at] or net[at] then
        odds = odds + 1
        odd[odds], ask[odds] = at, users[at]
      else
        local id = users[at]
        n = n + 1
        same[n] = id
        told[n + ahead] = 'online'
        n = n + 1
        same[n] = '1'
        told[n + ahead] = id
      end
    end
  end
  sames, values = n, n + ahead
  for at, number in pairs(process.guests) do
    odds = odds + 1
    odd[odds], ask[odds] = -number, users[at]
  end
  return odd, ask, odds
end

-- Reads the counts that a process has of its odd users. Who is absent from `users` is absent from every process (INV-1).
local function look_up(key, odd, ask, odds)
  local found = hmget(key, ask, odds)
  for i = 1, odds do
    local place = odd[i]
    if found[i] and present[place > 0 and place or guest_at[-place]] then before[place] = integer[found[i]] end
  end
end

-- Counts a process's odd users: what it has to write of them, and the same steps for `users`, so INV-1 holds by construction.
local function settle(share)
  local present, before, net, same, sames_now = present, before, net, same, sames
  local odd, ask, set, sets, gone, goes = share.odd, share.ask, {}, 0, {}, 0
  for i = 1, share.odds do
    local place, id = odd[i], ask[i]
    local step = net[place] or 1
    if step ~= 0 then
      local at, held = place, before[place] or 0
      if at < 0 then at = guest_at[-at] end
      local was, n = present[at], held + step
      if n > 0 and was and held > 0 and integer[was] == held and not has_guests[at] then
        same[sames_now + 1], same[sames_now + 2] = id, decimal[n]
        sames_now = sames_now + 2
      else
        if n > 0 then
          set[sets + 1], set[sets + 2] = id, decimal[n]
          sets = sets + 2
        else
          goes = goes + 1
          gone[goes] = id
        end
        if not delta[at] then
          changes = changes + 1
          changed[changes] = at
        end
        delta[at] = (delta[at] or 0) + step
      end
    end
  end
  sames = sames_now
  share.last, share.set, share.sets, share.gone, share.goes = sames_now, set, sets, gone, goes
end

-- Reads and sorts out what a process has to do with the users.
local function share_of(process)
  local first, key = sames + 1, process.users_key
  local odd, ask, odds = sort_out(process)
  look_up(key, odd, ask, odds)
  -- Somebody is going to be written there all the same: is it ours?
  if odds == 0 and sames >= first then checked(pcall('HLEN', key), key) end
  return { key = key, first = first, odd = odd, ask = ask, odds = odds }
end

-- Reads the counts this call may change. When all is ordinary, as nearly always, they are settled at once.
local function load_counts()
  present, before, shares = hmget(USERS, user_at, positions), {}, {}
  same, sames, delta, changed, changes = {}, 0, {}, {}, 0
  entry[1], entry[2] = 'cause', 'connect'
  values, last_cause = 2, 'connect'
  for m = 1, #met do
    local share = share_of(met[m])
    shares[m] = share
    if ordinary then settle(share) end
  end
  if values == 2 then values, last_cause = 0, nil end
end

-- Until when grace keeps the users who fell, by position.
local function graces()
  local keep_at = {}
  if longest_grace == 0 then return keep_at end
  for at, number in pairs(fell_in) do
    local record = todo[number]
    local grace = record.of.grace
    keep_at[at] = grace > 0 and cause_at[at] == 'disconnect' and record.at + grace
  end
  return keep_at
end

-- What the call does to `users`.
local function plan_counts()
  counted((values > 0 and values - 2 or 0) / 2, 0)
  local plan = new_plan()
  plan.set, plan.sets = same, sames
  return plan_users(plan, changed, changes, user_at, delta, cause_at, graces(), present)
end

-- Writes the per-process counts, which come before those of `users`.
local function write_counts()
  for m = 1, #shares do
    local share = shares[m]
    local set, sets = share.set, share.sets
    if sets == 0 then
      variadic('HSET', share.key, same, share.last, share.first)
    else
      -- One command for both.
      for i = share.first, share.last do
        sets = sets + 1
        set[sets] = same[i]
      end
      variadic('HSET', share.key, set, sets)
    end
    variadic('HDEL', share.key, share.gone, share.goes)
  end
end

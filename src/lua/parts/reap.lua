-- reap: give back the users of processes that ended or whose lease ran out, a bounded number a call.

-- Gives back up to `limit` users of an ended process. Returns whether all of them are back.
local function give_back(process, limit)
  local key = process.users_key
  -- HSCAN says again nothing that was deleted, and misses nothing that stayed; a small hash comes whole.
  local page = checked(pcall('HSCAN', key, process.cursor, 'COUNT', limit), key)
  local pairs_found = page[2]
  local keep = process.cause ~= 'reap' and process.grace > 0 and process.ended + process.grace
  local which, user, delta, cause_at, keep_at, seen, count, sockets = {}, {}, {}, {}, {}, {}, 0, 0
  for i = 1, #pairs_found, 2 do
    local id = pairs_found[i]
    if not seen[id] then
      seen[id] = true
      count = count + 1
      local n = tonumber(pairs_found[i + 1])
      which[count], user[count], delta[count], cause_at[count], keep_at[count] = count, id, -n, process.cause, keep
      sockets = sockets + n
    end
  end
  local plan = plan_users(new_plan(), which, count, user, delta, cause_at, keep_at, hmget(USERS, user, count))
  write_plan_ahead(plan)
  variadic('HDEL', key, user, count)
  write_plan(plan)

  work = work + count + 1
  did.given_back = did.given_back + count
  process.sockets = process.sockets - sockets
  total_sockets = total_sockets - sockets
  if page[1] ~= process.cursor then
    process.cursor = page[1]
    remember(process, 'cursor', process.cursor)
  end
  save_process(process)
  commit()
  return page[1] == '0' and call('EXISTS', key) == 0
end

-- Forgets a process all of whose users are back. Its hash stays for a while as a tombstone.
local function bury(process)
  -- What is left are its anonymous sockets. Less than nothing: somebody deleted its hash, and with it their number.
  if process.sockets > 0 then total_sockets = total_sockets - process.sockets end
  process.sockets, process.anonymous = 0, 0
  call('ZREM', PROCESSES, process.id)
  save_process(process)
  call('PEXPIRE', process.key, TOMBSTONE_MS)
  commit()
end

-- Returns whether there is more to give back.
local function reap()
  local leases = checked(pcall('ZRANGE', PROCESSES, 0, PROCESSES_MAX - 1, 'WITHSCORES'), PROCESSES)
  for i = 1, #leases, 2 do
    local id, deadline = leases[i], tonumber(leases[i + 1])
    if deadline > now then
      due_at(deadline)
      return false
    end
    if deadline > 0 and not MAY_REAP then
      did.held = did.held + 1
      due_at(deadline)
    else
      local process = process_of(id)
      if process.state ~= 'ended' then
        did.reaped = did.reaped + 1
        process.state = process.state or 'live'
        end_process(process, 'reap', now)
        -- On record before anybody is given back: a call that fails half-way must not end it twice.
        call('ZADD', PROCESSES, '0', id)
        save_process(process)
        commit()
      end
      while not give_back(process, floor((BUDGET - work) / 2) + 1) do
        if work >= BUDGET / 2 then return true end
      end
      bury(process)
      if work >= BUDGET / 2 then return true end
    end
  end
  return #leases == 2 * PROCESSES_MAX and did.held < PROCESSES_MAX
end

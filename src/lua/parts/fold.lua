-- fold: apply the records of the log to the projection, in log order, by net change.

local cause_at = {}             -- by position: the operation that took the user's last socket away
local keep_at = {}              -- by position: until when grace keeps the user present, ms; false: not at all

local present = {}              -- by position: the user's count in `users` before this call; false: absent

-- Counts on the process that owns the user, by position, and on the others, by guest; nil is 0.
local before, after, guest_before, guest_after = {}, {}, {}, {}

-- Reads the counts this call may change. Who is absent from `users` is absent from every process (INV-1), so only those
-- present are looked up there.
local function load_counts()
  present = hmget(USERS, user_at, positions)
  for m = 1, #met do
    local process = met[m]
    local own, ask, places, n = process.own, {}, {}, 0
    for i = 1, process.count do
      local at = own[i]
      if present[at] then
        n = n + 1
        ask[n], places[n] = user_at[at], at
      end
    end
    for at, number in pairs(process.guests) do
      guest_before[number], guest_after[number] = 0, 0
      if present[at] then
        n = n + 1
        ask[n], places[n] = user_at[at], -number
      end
    end
    local found = hmget(process.users_key, ask, n)
    -- Somebody is going to be written there all the same: is it ours?
    if n == 0 and process.count > 0 then checked(pcall('HLEN', process.users_key), process.users_key) end
    for i = 1, n do
      if found[i] then
        local at, held = places[i], integer[found[i]]
        if at > 0 then before[at], after[at] = held, held else guest_before[-at], guest_after[-at] = held, held end
      end
    end
  end
end

-- Adds a step to the count of one operation's user. Returns the new count; changes nothing if that is negative.
local function add(at, step)
  local counts, key = after, at
  if at < 0 then counts, key = guest_after, -at end
  local n = (counts[key] or 0) + step
  if n >= 0 then counts[key] = n end
  return n
end

-- Takes back the operations of a record up to `last`, the last of them first: no count is negative in between.
local function undo(record, last)
  for i = last, record.first, -1 do
    if op_at[i] ~= 0 then add(op_at[i], -op_step[i]) end
  end
end

-- Keeps what took users' sockets away: the last word decides between grace and going at once.
local function note_falls(record)
  local fields, grace = record.fields, record.of.grace
  local keep = grace > 0 and record.at + grace
  local field = record.from
  for i = record.first, record.last do
    local at = op_at[i]
    if at ~= 0 and op_step[i] < 0 then
      local name = fields[field]
      if at < 0 then at = guest_at[-at] end
      cause_at[at] = name
      if keep or keep_at[at] then keep_at[at] = name == 'disconnect' and keep end
    end
    field = field + 2
  end
end

-- Applies one record to the counts in memory. Returns nil, or why the process has to be fenced.
local function apply(record)
  local process = record.of
  local after, ats, steps = after, op_at, op_step
  local sockets, anonymous = process.sockets, process.anonymous
  local fell = false
  for i = record.first, record.last do
    local at, step = ats[i], steps[i]
    if at == 0 then
      anonymous = anonymous + step
    else
      local n
      if at > 0 then
        n = (after[at] or 0) + step
        if n >= 0 then after[at] = n end
      else
        n = add(at, step)
      end
      if n < 0 then
        undo(record, i - 1)
        return 'a count would go negative'
      end
    end
    if step < 0 then fell = true end
    sockets = sockets + step
  end
  if anonymous < 0 or sockets ~= record.sockets then
    undo(record, record.last)
    return 'check digit: sockets ' .. decimal[record.sockets] .. ' declared, ' .. decimal[sockets] .. ' counted'
  end
  total_sockets = total_sockets + sockets - process.sockets
  process.sockets, process.anonymous, process.seq = sockets, anonymous, record.seq
  if record.connections then
    total_connections = total_connections + record.connections - process.connections
    process.connections = record.connections
  end
  if fell then note_falls(record) end
  did.operations = did.operations + record.last - record.first + 1
  return nil
end

local function register(process, record)
  process.state = 'live'
  remember(process, 'state', 'live')
  remember(process, 'started', decimal[record.at])
  local about = record.about or {}
  if about.hello then remember(process, 'host', about.hello) end
  if about.pid then remember(process, 'pid', about.pid) end
  if about.version then remember(process, 'version', about.version) end
  if about.grace then
    process.grace = tonumber(about.grace)
    if process.grace > longest_grace then longest_grace = process.grace end
    remember(process, 'grace', about.grace)
  end
end

local function fold_record(record)
  local process, seq = record.of, record.seq
  did.records = did.records + 1
  -- An ended process is a tombstone: a late copy of its first record must not bring it back.
  if process.state == 'ended' then
    did.skipped = did.skipped + 1
    return
  end
  local lease = record.at + record.ttl
  if not process.lease or lease > process.lease then process.lease = lease end

  if not process.state and seq == 1 then
    register(process, record)
  elseif not process.state then
    fence(process, 'unknown process with seq ' .. decimal[seq])
  elseif seq <= process.seq then
    did.skipped = did.skipped + 1
    return
  elseif process.state == 'live' and seq ~= process.seq + 1 then
    fence(process, 'seq ' .. decimal[seq] .. ' after ' .. decimal[process.seq])
  end

  if process.state == 'live' then
    local reason = apply(record)
    if reason then
      fence(process, reason)
    elseif record.replaces then
      for i = 1, #record.replaces do end_process(process_of(record.replaces[i]), 'replace', record.at) end
    end
  end
  if record.bye then end_process(process, 'bye', record.at) end
end

-- Per-process counts to write, and by position the same deltas for `users`: so INV-1 holds by construction. Who was
-- absent and has sockets on one process only, as most newcomers, goes into the plan at once: the counts are the same.
local function deltas(plan)
  local delta, writes, write_of = {}, {}, {}
  local all, alls, told, came = plan.set, 0, entry, 0
  local n_values = values
  for m = 1, #met do
    local process = met[m]
    local own, set, sets, gone, goes = process.own, {}, 0, {}, 0
    for i = 1, process.count do
      local at = own[i]
      local was, n = before[at] or 0, after[at] or 0
      if n ~= was then
        local id, text = user_at[at], decimal[n]
        if n > 0 then
          set[sets + 1], set[sets + 2] = id, text
          sets = sets + 2
        else
          goes = goes + 1
          gone[goes] = id
        end
        if present[at] or has_guests[at] then
          delta[at] = n - was
        else
          all[alls + 1], all[alls + 2] = id, text
          alls, came = alls + 2, came + 1
          if last_cause == 'connect' then
            told[n_values + 1], told[n_values + 2] = 'online', id
            n_values = n_values + 2
          else
            n_values = put('connect', 'online', id, n_values)
          end
        end
      end
    end
    local write = { key = process.users_key, set = set, sets = sets, gone = gone, goes = goes }
    writes[m], write_of[process] = write, write
  end
  for number = 1, guests do
    local at, write = guest_at[number], write_of[guest_process[number]]
    local was, n = guest_before[number], guest_after[number]
    if n ~= was then
      delta[at] = (delta[at] or 0) + n - was
      if n > 0 then
        write.set[write.sets + 1], write.set[write.sets + 2] = user_at[at], decimal[n]
        write.sets = write.sets + 2
      else
        write.goes = write.goes + 1
        write.gone[write.goes] = user_at[at]
      end
    end
  end
  plan.sets, values = alls, n_values
  counted(came, 0)
  return delta, writes
end

-- Takes the entries up to `id` off the log.
local function forget(id)
  local ms, seq = match(id, '^(%d+)-(%d+)$')
  if #seq < 15 then
    call('XTRIM', RECORDS, 'MINID', ms .. '-' .. decimal[tonumber(seq) + 1])
  else
    call('XTRIM', RECORDS, 'MINID', id)
    call('XDEL', RECORDS, id)
  end
end

-- Counts what is left for another call. What a caller has read and not folded is to be delivered again; when it has read
-- nothing, although something is there, somebody has moved the group's place.
local function stay()
  left = call('XLEN', RECORDS)
  if TOKEN == '' then return end
  left_over = #given_ids()
  if left_over > 0 or given_at == 8 then read_from_head() end
end

-- Returns whether the log is drained. What was folded leaves the log, so its length is the lag.
local function fold()
  local drained, last_id = read()
  if not last_id then
    if not drained then stay() end
    return drained
  end
  load_counts()
  for i = 1, #todo do fold_record(todo[i]) end
  local plan = new_plan()
  local delta, writes = deltas(plan)
  plan_users(plan, user_at, delta, positions, cause_at, keep_at, present)

  save_leases()
  set_aside()
  write_plan_ahead(plan)
  rewind = nil
  for m = 1, #writes do
    local write = writes[m]
    variadic('HSET', write.key, write.set, write.sets)
    variadic('HDEL', write.key, write.gone, write.goes)
  end
  write_plan(plan)
  for i = 1, #met do
    if met[i].lease then save_process(met[i]) end
  end
  folded_id = last_id
  forget(last_id)
  commit()
  acknowledge()
  if not drained then stay() end
  return drained
end

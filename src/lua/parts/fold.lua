-- fold: apply the records of the log to the projection, in log order, by net change.

local cause_at = {}             -- by position: the operation that took the user's last socket away
local keep_at = {}              -- by position: until when grace keeps the user present, ms; false: not at all

local present = {}              -- by position: the user's count in `users` before this call; false: absent

-- Reads the counts this call may change. Who is absent from `users` is absent from every process (INV-1), so only those
-- present are looked up there.
local function load_counts()
  present = hmget(USERS, user_at, positions)
  for m = 1, #met do
    local process = met[m]
    local at_of, user, before, after = process.at, process.user, {}, process.after
    local asked, places, n = {}, {}, 0
    for place = 1, process.count do
      before[place], after[place] = 0, 0
      if present[at_of[place]] then
        n = n + 1
        asked[n], places[n] = user[place], place
      end
    end
    if n > 0 then
      local found = hmget(process.users_key, asked, n)
      for i = 1, n do
        local held = found[i]
        if held then
          local place = places[i]
          held = tonumber(held)
          before[place], after[place] = held, held
        end
      end
    end
    process.before = before
  end
end

-- Takes back the operations of a record up to `last`.
local function undo(record, last)
  local after = record.of.after
  for i = record.first, last do
    local place = op_place[i]
    if place > 0 then after[place] = after[place] - op_step[i] end
  end
end

-- Keeps what took users' sockets away: the last word decides between grace and going at once.
local function note_falls(record)
  local fields, grace, at_of = record.fields, record.of.grace, record.of.at
  local keep = grace > 0 and record.at + grace
  local field = record.from
  for i = record.first, record.last do
    local at = at_of[op_place[i]]
    if at and op_step[i] < 0 then
      local name = fields[field]
      cause_at[at] = name
      keep_at[at] = name == 'disconnect' and keep
    end
    field = field + 2
  end
end

-- Applies one record to the counts in memory. Returns nil, or why the process has to be fenced.
local function apply(record)
  local process = record.of
  local after, places, steps = process.after, op_place, op_step
  local sockets, anonymous = process.sockets, process.anonymous
  local fell = false
  for i = record.first, record.last do
    local place, step = places[i], steps[i]
    if place > 0 then
      local n = after[place] + step
      if n < 0 then
        undo(record, i - 1)
        return 'a count would go negative'
      end
      after[place] = n
    else
      anonymous = anonymous + step
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

-- Per-process counts to write, and by position the same deltas for `users`: so INV-1 holds by construction.
local function deltas()
  local delta, writes = {}, {}
  for at = 1, positions do delta[at] = 0 end
  for m = 1, #met do
    local process = met[m]
    local before, after, user, at_of = process.before, process.after, process.user, process.at
    local set, sets, gone, goes = {}, 0, {}, 0
    for i = 1, process.count do
      local was, n = before[i], after[i]
      if n ~= was then
        local at = at_of[i]
        delta[at] = delta[at] + n - was
        if n > 0 then
          set[sets + 1], set[sets + 2] = user[i], decimal[n]
          sets = sets + 2
        else
          goes = goes + 1
          gone[goes] = user[i]
        end
      end
    end
    writes[m] = { key = process.users_key, set = set, sets = sets, gone = gone, goes = goes }
  end
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

-- Returns whether the log is drained. What was folded leaves the log, so its length is the lag.
local function fold()
  local drained, last_id = read()
  if not last_id then return drained end
  load_counts()
  for i = 1, #todo do fold_record(todo[i]) end
  local delta, writes = deltas()
  local plan = plan_users(user_at, delta, positions, cause_at, keep_at, present)

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
  return drained
end

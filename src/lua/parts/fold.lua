-- fold: apply the records of the log to the projection, in log order, by net change.
--
-- Nearly always every record can be believed, and then only their sums matter, which are made while they are parsed. Whether
-- it is so is known once the counts have been read; if it is not, they are applied one by one.

local function register(process, record)
  process.state = 'live'
  remember(process, 'state', 'live')
  remember(process, 'started', decimal[record.at])
  remember(process, 'ttl', decimal[record.ttl])
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

-- Applies all records of a process, whose operations are in `net` already and known to be right.
local function apply_at_once(process)
  local records, connections, lease = process.records, process.connections, 0
  if not process.state then register(process, records[1]) end
  for r = 1, #records do
    local record = records[r]
    local deadline = record.at + record.ttl
    if deadline > lease then lease = deadline end
    connections = record.connections or connections
  end
  process.lease = lease
  total_sockets = total_sockets + process.sockets_read - process.sockets
  total_connections = total_connections + connections - process.connections
  process.seq, process.sockets, process.anonymous = process.seq_read, process.sockets_read, process.anonymous_read
  process.connections = connections
end

-- include parts/careful.lua

-- The rules of docs/protocol.md, one after the other.
local function fold_record(record, number)
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
    local reason = apply(record, number)
    if reason then
      fence(process, reason)
    elseif record.replaces then
      for i = 1, #record.replaces do end_process(process_of(record.replaces[i]), 'replace', record.at) end
    end
  end
  if record.bye then end_process(process, 'bye', record.at) end
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
  if ordinary and not falls_short() then
    for m = 1, #met do apply_at_once(met[m]) end
    did.records, did.operations = #todo, work - #todo
  else
    start_over()
    for i = 1, #todo do fold_record(todo[i], i) end
    settle_all()
  end
  local plan = plan_counts()

  save_leases()
  set_aside()
  write_plan_ahead(plan)
  rewind = nil
  write_counts()
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

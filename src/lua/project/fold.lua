-- fold: the records of the log, in order, one by one.
-- gives: CAUSE carry_out carry_out_in_scopes fold fold_record read register registered
-- reads: ABOUT BY_RANGE PROCESSES RECORDS budget call cause_of compare_sums connections count dead encode entries fence find finish floor folded forget_the_dead format is keep_of known longest look_up match note_absence now operations parse preclude process_of put records save_states scopes scopes_here set_aside size skipped slots sockets sockets_here start_steps sub t take_off take_step tell_about to_head touch try weight work write_steps

local registered -- how many processes there are, once read

local CAUSE = { false, 'disconnect', 'leave', 'bye' }

-- The scope lists of a record, all or none of them. before: the users of its other lists as they were before it, if processes have ended.
-- Returns nil, or why the process has to be fenced.
local function carry_out_in_scopes(record, p, at, before)
  local here, undo, reason = scopes_here(), {}, nil
  local q, lists = here.member_of(p.slot), {}
  for l = 1, #record.scopes do
    local kind, list = record.scopes[l][1], record.scopes[l][2]
    for i = 1, #list do
      local one = list[i]
      local bare = match(one[1], '^%*?(.*)$')
      local c = here.scope_of(bare)
      for j = 2, #one do here.want(c, one[j]) end
      here.want_member(q, bare)
      lists[#lists + 1] = { kind, c, one, kind == 1 and #bare < #one[1] }
    end
  end
  here.read()
  -- Users of an ended process lost those sockets before this record.
  if before then
    for i = 1, #lists do
      local c, one = lists[i][2], lists[i][3]
      for j = 2, #one do
        local id = one[j]
        here.take_off(c, id, dead)
        if c.is[id] == '0' and c.ends[id] then
          here.settle(c, { id })
          -- Nobody begins to linger who is not in the whole.
          local v = before[id]
          if v == nil then
            look_up({ id })
            v = is[id]
          end
          if not v then c.is[id] = false end
        end
      end
    end
  end
  for i = 1, #lists do
    local kind, c, one = lists[i][1], lists[i][2], lists[i][3]
    local keep = (kind == 2 or kind == 4) and p.grace > 0 and at + p.grace
    for j = 2, #one do
      local id = one[j]
      undo[#undo + 1] = { c, id, c.is[id], c.cause[id], c.keep[id], c.since[id], c.sockets, q.by[c.text], q.by[''] }
      if not here.step(c, id, q, kind == 1 and 1 or -1, CAUSE[kind], keep, records) then
        reason = 'a membership would go negative'
        break
      end
    end
    if reason then break end
  end
  if not reason and q.by[''] ~= record.memberships then
    reason = format('check digit: %.0f memberships declared, %.0f counted', record.memberships, q.by[''])
  end
  if not reason then
    for i = 1, #lists do
      if lists[i][4] then lists[i][2].tells = true end
    end
    return nil
  end
  -- Perhaps it is not the process that is wrong.
  if not t.summed then
    t.summed = true
    t.broken = t.broken or compare_sums(PROCESSES_MAX)
  end
  for i = #undo, 1, -1 do
    local c, id, v, cause, keep, since, open, by, sum = unpack(undo[i], 1, 9)
    c.is[id], c.cause[id], c.keep[id], c.since[id], c.sockets, q.by[c.text], q.by[''] = v, cause, keep, since, open, by, sum
  end
  return reason
end

-- Applies the whole record or none of it. Returns nil, or why the process has to be fenced.
local function carry_out(record, p, at)
  local lists, undo, sum, before = record.lists, {}, 0, nil
  for l = 1, #lists do look_up(lists[l][2]) end
  local reason
  -- Users of an ended process lost those sockets before this record.
  if next(dead) then
    before = {}
    for l = 1, #lists do
      for _, id in ipairs(lists[l][2]) do
        local v
        if is[id] then v = take_off(id, is[id]) end
        if v ~= nil then is[id] = v end
        -- Absent before this record.
        if v == false and (scopes or t.lingering) then note_absence(id, records - 1) end
        before[id] = is[id]
      end
    end
  end
  for l = 1, #lists do
    local kind, list = lists[l][1], lists[l][2]
    local step = kind == 1 and 1 or -1
    local keep = (kind == 2 or kind == 4) and p.grace > 0 and at + p.grace
    sum = sum + step * #list
    for i = 1, #list do
      local id = list[i]
      undo[#undo + 1] = { id, is[id], cause_of[id], keep_of[id] }
      if not take_step(id, p.slot, step, CAUSE[kind], keep) then
        reason = 'a count would go negative'
        break
      end
    end
    if reason then break end
  end
  local anonymous = record.anonymous or p.anonymous
  local open = p.sockets + sum + anonymous - p.anonymous
  if not reason and open ~= record.sockets then
    reason = format('check digit: %.0f sockets declared, %.0f counted', record.sockets, open)
  end
  local planned
  if not reason and record.ids then
    local counted
    planned, counted = sockets_here().plan(p.slot, record.open or {}, record.gone or {}, record.ids)
    if not planned then reason = format('check digit: %.0f ids declared, %.0f counted', record.ids, counted) end
  end
  if not reason and record.memberships then reason = carry_out_in_scopes(record, p, at, before) end
  if reason then
    for i = #undo, 1, -1 do
      local one = undo[i]
      is[one[1]], cause_of[one[1]], keep_of[one[1]] = one[2], one[3], one[4]
    end
    return reason
  end
  if planned then sockets_here().carry_out(planned) end
  if scopes or t.lingering then
    for l = 1, #lists do
      for _, id in ipairs(lists[l][2]) do
        if not is[id] then note_absence(id, records) end
      end
    end
  end
  sockets = sockets + open - p.sockets
  p.sockets, p.anonymous, p.seq = open, anonymous, record.seq
  if record.connections then
    connections = connections + record.connections - p.connections
    p.connections = record.connections
  end
  operations = operations + record.operations
  return nil
end

local function register(record, at)
  slots = slots + 1
  local p = { id = record.id, state = 'live', seq = 0, sockets = 0, anonymous = 0, connections = 0,
    slot = format('%.0f', slots), grace = record.grace or 0 }
  if p.grace > longest then longest = p.grace end
  known[record.id] = p
  if t.lingering then call('UNLINK', sub(RECORDS, 1, -8) .. 'scopes:' .. p.slot, sub(RECORDS, 1, -8) .. 'sockets:' .. p.slot) end
  -- From then on the totals have to follow, whatever becomes of this process.
  if record.tracks and not t.lingering then t.lingering = 0 end
  if t.lingering then put('tracks', record.tracks or '') end
  call('HSET', ABOUT, record.id, encode({ host = record.hello, pid = record.pid, version = record.version,
    protocol = record.protocol and format('%.0f', record.protocol), started = format('%.0f', at), ttl = format('%.0f', record.ttl) }))
  forget_the_dead()
  return p
end

local function fold_record(record, at)
  local p = process_of(record.id)
  records = records + 1
  -- An ended process is a tombstone: a late copy of its first record must not bring it back. An unknown process whose
  -- record is not its first finds that out by itself (rule 3).
  if not p and record.seq > 1 or p and p.state == 'ended' then
    skipped, t.unheard = skipped + 1, 1
    -- It was known once, so something was lost: the next call compares everything, however idle the shard is.
    if not p then put('checked', 0) end
    return
  end
  if not p then
    -- Those registered in this call are written at its end.
    registered = registered or call('ZCARD', PROCESSES)
    if registered >= PROCESSES_MAX then return 'too many processes' end
    registered = registered + 1
    p = register(record, at)
  elseif record.seq <= p.seq then
    skipped = skipped + 1
    if p.state == 'live' then
      p.lease = math.max(p.lease or 0, at + record.ttl)
      touch(p)
    end
    return
  end
  if p.state == 'live' then
    p.lease = math.max(p.lease or 0, at + record.ttl)
    touch(p)
    local reason = record.seq ~= p.seq + 1 and format('seq %.0f after %.0f', record.seq, p.seq) or carry_out(record, p, at)
    if reason then
      t.unheard = 1
      fence(p, reason, at, record.ttl)
      tell_about(p.id, 'reason', reason)
    elseif record.replaces then
      for i = 1, #record.replaces do
        local id = record.replaces[i]
        local other = id ~= p.id and process_of(id)
        if other and other.state ~= 'ended' then finish(other, 'replace', at)
        elseif other == false and id ~= p.id then preclude(id) end
      end
    end
  else t.unheard = 1 end
  if record.bye then finish(p, 'bye', at) end
end

local function read()
  if entries then return end
  local reply
  if BY_RANGE then reply = try('XRANGE', RECORDS, '-', '+', 'COUNT', count)
  else
    reply = try('XREADGROUP', 'GROUP', 'projector', 'projector', 'COUNT', count, 'NOACK', 'STREAMS', RECORDS, '>')
  end
  local err = type(reply) == 'table' and reply.err
  if err then
    if find(err, 'script', 1, true) or find(err, 'not allowed', 1, true) then error('PRESENCE_READ ' .. err, 0) end
    error(err, 0)
  end
  entries = BY_RANGE and reply or reply and reply[1] and reply[1][2] or {}
end

-- Returns whether the log is drained. Folded records leave it, so its length is the lag.
local function fold()
  if weight > ENTRY_BYTES_MAX and call('XLEN', RECORDS) == 1 then
    call('XTRIM', RECORDS, 'MAXLEN', 0)
    -- This id is the last possible one: recreate the log; no process needs to know.
    call('DEL', RECORDS)
    set_aside('', {}, 'too large to be a record')
    folded = format('%.0f-0', now)
    return false
  end
  read()
  local last_entry, ahead = #entries, false
  if last_entry == 0 then return true end
  -- The group may be past the head of the log.
  if not BY_RANGE then
    local head = call('XRANGE', RECORDS, '-', '+', 'COUNT', 1)
    if head[1] and head[1][1] ~= entries[1][1] then
      to_head()
      entries = nil
      read()
      last_entry = #entries
    end
  end
  start_steps()
  local ended = call('ZRANGEBYSCORE', PROCESSES, '-inf', '0')
  for i = 1, #ended do
    local p = process_of(match(ended[i], '^%d+:(.*)$'))
    if p then dead[p.slot] = p end
  end
  local taken = last_entry
  for e = 1, last_entry do
    local id, fields = entries[e][1], entries[e][2]
    local at = tonumber(match(id, '^%d+'))
    if at > now + AHEAD_MS then ahead = true end
    if at > now then at = now end
    local record, reason = parse(fields)
    t.unheard = nil
    if record then reason = fold_record(record, at) end
    if reason then
      t.unheard = 1
      set_aside(id, fields, reason)
    end
    work = work + 1 + (record and record.operations or 0)
    if work >= budget then taken = e break end
  end
  write_steps()
  save_states()
  folded = entries[taken][1]
  size = floor(work / taken)
  local drained = taken == last_entry and last_entry < count
  local ms, seq = match(folded, '^(%d+)-(%d+)$')
  if #seq < 15 then call('XTRIM', RECORDS, 'MINID', ms .. '-' .. format('%.0f', seq + 1))
  else
    call('XTRIM', RECORDS, 'MINID', folded)
    call('XDEL', RECORDS, folded)
  end
  -- Ids ahead of the clock: new ids would follow them until the clock catches up, so the log is recreated once it is empty.
  if ahead or #seq >= 15 then
    if call('XLEN', RECORDS) == 0 then
      call('DEL', RECORDS)
      folded, drained = format('%.0f-0', now), true
    end
  elseif taken < last_entry and not BY_RANGE then call('XGROUP', 'SETID', RECORDS, 'projector', folded) end
  return drained
end

-- reap: removes the sockets of ended processes from `users`, one slice of a scan per call; one pass for all processes that had
-- ended at its start. HSCAN returns every field that exists from its start to its end, and users of ended processes do.
-- gives: gather mark_dead reap slice slice_of_scopes
-- reads: MAY_REAP PROCESSES RECORDS USERS budget bury call dead decode due_at encode finish floor forget_the_dead held is match now order pass process_of reaped save_states scan scopes_here start_steps sub sweep t take_off was work write_steps

-- Ends the processes whose lease expired, and buries those without users. Returns the processes that need a pass (JSON, or ''),
-- and whether there may be more of either.
local function gather()
  local leases, list, all = call('ZRANGE', PROCESSES, 0, PASS_MAX - 1, 'WITHSCORES'), {}, true
  for i = 1, #leases, 2 do
    local deadline, id = tonumber(leases[i + 1]), match(leases[i], '^%d+:(.*)$')
    if deadline > now then
      due_at(deadline)
      all = false
      break
    end
    local p = process_of(id)
    if not p then
      call('ZREM', PROCESSES, leases[i])
      -- Its state is gone: a rebuild would not find these any more.
      if t.lingering then
        local slot = match(leases[i], '^%d+')
        call('UNLINK', sub(RECORDS, 1, -8) .. 'scopes:' .. slot, sub(RECORDS, 1, -8) .. 'sockets:' .. slot)
      end
    elseif p.state ~= 'ended' and not MAY_REAP then
      held, all = held + 1, false
      due_at(deadline)
    else
      if p.state ~= 'ended' then
        reaped = reaped + 1
        finish(p, 'reap', now)
      end
      if p.sockets > p.anonymous or t.lingering and call('HGET', sub(RECORDS, 1, -8) .. 'scopes:' .. p.slot, '') then
        list[#list + 1] = { p.slot, p.id, p.cause }
      else bury(p) end
    end
    work = work + 1
  end
  save_states()
  forget_the_dead()
  return #list > 0 and encode(list) or '', all and #leases == 2 * PASS_MAX
end

local function mark_dead(list)
  dead = {}
  for i = 1, #list do
    local slot, id, cause = unpack(list[i])
    dead[slot] = process_of(id) or { lost = true, cause = cause, at = '0', grace = 0 }
  end
end

-- Handles one slice of the users. Returns whether all are done.
local function slice()
  local limit = floor((budget - work) / 2)
  if limit < 1 then limit = 1 elseif limit > SLICE_MAX then limit = SLICE_MAX end
  local page = call('HSCAN', USERS, scan, 'COUNT', limit)
  local found = page[2]
  start_steps()
  for i = 1, #found, 2 do
    local id, v = found[i], found[i + 1]
    -- A scan may return a user twice; the second time nothing is left to remove.
    if is[id] == nil then
      local rest = take_off(id, v)
      if rest ~= nil then
        was[id], is[id] = v, rest
        order[#order + 1] = id
      end
    end
  end
  work = work + #found / 2 + 1
  write_steps()
  save_states()
  scan = page[1]
  return scan == '0'
end

-- Takes the processes of a pass out of their scopes, a slice: sweep is `<slot> <cursor in its scopes> <cursor in a scope> <scope>`, the
-- last one empty between two. Returns whether that is over.
local function slice_of_scopes(list)
  local tag = sub(RECORDS, 1, -8)
  local slot, outer, inner, text = match(sweep, '^(%d+) (%d+) (%d+) (.*)$')
  start_steps()
  local here = scopes_here()
  local function look(one, found)
    local c = here.scope_of(one)
    here.read()
    local ids = {}
    for i = 1, #found, 2 do
      here.met(c, found[i], found[i + 1])
      here.take_off(c, found[i], dead)
      if c.is[found[i]] == '0' and c.ends[found[i]] then ids[#ids + 1] = found[i] end
    end
    here.settle(c, ids)
    for first = 1, #ids, VALUES_MAX do
      local last = math.min(#ids, first + VALUES_MAX - 1)
      local present = call('HMGET', USERS, unpack(ids, first, last))
      for i = first, last do
        if not present[i - first + 1] then c.is[ids[i]] = false end
      end
    end
    work = work + #found / 2 + 1
  end
  local function finish_scope(one)
    local q = here.member_of(slot)
    here.want_member(q, one)
    here.read()
    -- Whatever is there goes.
    q.by[one], q.was[one] = 0, -1
  end
  if text ~= '' then
    local page = call('HSCAN', tag .. 'scope:' .. text, inner, 'COUNT', SLICE_MAX)
    look(text, page[2])
    inner = page[1]
    if inner == '0' then
      finish_scope(text)
      text = ''
    end
  else
    local page = call('HSCAN', tag .. 'scopes:' .. slot, outer, 'COUNT', 16)
    local names = {}
    for i = 1, #page[2], 2 do
      if sub(page[2][i], 1, 1) == '/' then names[#names + 1] = page[2][i] end
    end
    if #names == 0 then
      outer = page[1]
      if outer == '0' then
        -- Nothing, unless it was wrong.
        here.add_memberships(-(tonumber(call('HGET', tag .. 'scopes:' .. slot, '') or 0) or 0))
        call('UNLINK', tag .. 'scopes:' .. slot, tag .. 'sockets:' .. slot)
        local following
        for i = 1, #list - 1 do
          if list[i][1] == slot then following = list[i + 1][1] end
        end
        if not following then
          sweep = ''
          return true
        end
        slot = following
      end
    end
    for i = 1, #names do
      local one = names[i]
      if call('HLEN', tag .. 'scope:' .. one) > SLICE_MAX then
        text, inner = one, '0'
        break
      end
      local at = '0'
      repeat
        local found = call('HSCAN', tag .. 'scope:' .. one, at, 'COUNT', SLICE_MAX)
        look(one, found[2])
        at = found[1]
      until at == '0'
      finish_scope(one)
      work = work + SCOPE_OPERATIONS
      if work >= budget / 2 then break end
    end
  end
  write_steps()
  sweep = slot .. ' ' .. outer .. ' ' .. inner .. ' ' .. text
  work = work + 1
  return false
end

-- Returns whether there is more to remove.
local function reap()
  while true do
    local is_full
    if pass == '' then
      pass, is_full = gather()
      scan = '0'
      if pass == '' and not is_full then return false end
    end
    if pass ~= '' then
      local list = decode(pass)
      mark_dead(list)
      local is_over
      if sweep ~= '' then is_over = slice_of_scopes(list)
      else
        is_over = slice()
        if is_over and t.lingering then sweep, is_over = list[1][1] .. ' 0 0 ', false end
      end
      if is_over then
        for i = 1, #list do
          local p = process_of(list[i][2])
          if p and not p.buried then bury(p) end
        end
        save_states()
        pass = ''
      end
    end
    if work >= budget / 2 then return true end
  end
end

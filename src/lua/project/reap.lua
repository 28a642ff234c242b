-- reap: removes the sockets of ended processes from `users`, one slice of a scan per call; one pass for all processes that had
-- ended at its start. HSCAN returns every field that exists from its start to its end, and users of ended processes do.
-- gives: gather reap slice
-- reads: MAY_REAP PROCESSES USERS budget bury call dead decode due_at encode finish floor forget_the_dead held is match now order pass process_of reaped save_states scan start_steps take_off was work write_steps

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
    if not p then call('ZREM', PROCESSES, leases[i])
    elseif p.state ~= 'ended' and not MAY_REAP then
      held, all = held + 1, false
      due_at(deadline)
    else
      if p.state ~= 'ended' then
        reaped = reaped + 1
        finish(p, 'reap', now)
      end
      if p.sockets > p.anonymous then
        list[#list + 1] = { p.slot, p.id, p.cause }
      else bury(p) end
    end
    work = work + 1
  end
  save_states()
  forget_the_dead()
  return #list > 0 and encode(list) or '', all and #leases == 2 * PASS_MAX
end

-- Handles one slice. Returns whether the pass is over.
local function slice(list)
  dead = {}
  for i = 1, #list do
    local slot, id, cause = unpack(list[i])
    dead[slot] = process_of(id) or { lost = true, cause = cause, at = '0', grace = 0 }
  end
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
      if slice(list) then
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

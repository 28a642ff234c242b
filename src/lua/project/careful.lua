--[[ careful: the rules of docs/protocol.md in order, for everything the quick path does not handle, and everything that is
  not folding: level checks, clocks that went back, registering, fencing, reaping, grace. It is rare, so it is one function,
  created when it is called. Each phase reads first and writes last. ]]
-- gives: back busy careful clearing drained due_at is_clearing longest lowest more_fields pass put remembered scan slots sweep totals work
-- reads: LEAVING PROCESSES RECORDS TOTALS apply call clear_scopes connections due expire fenced fold follow_clock forget format more now open reap reaped rebuild rebuilt rejected sockets sub t users valid
local function careful()
  if not apply then apply = APPLY end
  if not valid then valid = VALID end
  -- The quick path may have changed these before it gave up.
  users, sockets, connections, due = tonumber(t[3] or 0), tonumber(t[4] or 0), tonumber(t[5] or 0), nil
  t.last = nil
  local work = 0
  local more_fields = call('HMGET', TOTALS, 'rejected', 'fenced', 'reaped', 'grace', 'back', 'slots', 'scan', 'pass', 'rebuilt', 'known',
    'trimmed', 'blank', 'sweep', 'compared', 'clearing', 'moved', 'moved_blank', 'capped', 'subscribed')
  local longest, back = tonumber(more_fields[4] or 0), more_fields[5] == '1'
  local slots, scan, pass = tonumber(more_fields[6] or 0), more_fields[7] or '0', more_fields[8] or ''
  -- Of a pass in scopes (reap.lua); whether scopes are being deleted after a rebuild.
  local sweep, clearing = more_fields[13] or '', more_fields[15] == '1'
  -- How many processes `states` holds, by what calls have added and removed.
  local remembered = tonumber(more_fields[10] or 0)
  local totals = {} -- further fields of totals to write: name, value, …

  local function put(name, value)
    totals[#totals + 1] = name
    totals[#totals + 1] = type(value) == 'number' and format('%.0f', value) or value
  end

  local function due_at(deadline)
    if not due or deadline < due then due = deadline end
  end

  -- include open.lua
  -- include states.lua
  -- include parse.lua
  -- include steps.lua
  -- include fold.lua
  -- include reap.lua
  -- include expire.lua
  -- include trim.lua
  -- include forget.lua

  open()
  follow_clock()
  local is_clearing = clear_scopes()
  local drained = not is_clearing and fold()
  local busy = not drained
  if drained then
    -- Only when the log is drained: a heartbeat still in it keeps its process alive (INV-6).
    busy = reap()
    if not busy then busy = expire() end
    if not busy then busy = forget() end
  end
  -- A scope of this call whose parts do not agree.
  if t.broken then
    rebuild(t.broken)
    drained, busy = false, true
  end
  more = busy and 1 or 0
  put('rejected', tonumber(more_fields[1] or 0) + rejected)
  put('fenced', tonumber(more_fields[2] or 0) + fenced)
  put('reaped', tonumber(more_fields[3] or 0) + reaped)
  put('rebuilt', tonumber(more_fields[9] or 0) + rebuilt)
  put('grace', longest)
  put('back', back and '1' or '0')
  put('slots', slots)
  put('known', remembered)
  put('scan', scan)
  put('pass', pass)
  if t.lingering then
    put('sweep', sweep)
    put('clearing', clearing and '1' or '0')
  end
  local lowest = call('ZRANGE', PROCESSES, 0, 0, 'WITHSCORES')
  -- Users of ended processes to remove, or graces to move: the quick path does neither.
  put('unfinished', (lowest[2] == '0' or back or clearing) and '1' or '0')
  if not drained then
    due = nil
    local grace = call('ZRANGE', LEAVING, 0, 0, 'WITHSCORES')
    if lowest[1] then due_at(tonumber(lowest[2])) end
    if grace[1] then due_at(tonumber(grace[2])) end
    if (t.lingering or 0) > 0 then
      local linger = call('ZRANGE', sub(RECORDS, 1, -8) .. 'lingering', 0, 0, 'WITHSCORES')
      if linger[1] then due_at(tonumber(linger[2])) end
    end
  elseif busy then due = now end
  due = due or -1
  return totals
end

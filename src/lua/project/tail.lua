-- tail: the turn (pace), the totals and the reply, of both paths.
-- gives: extra f holder k listened_left rate turn_left work
-- reads: CALLER RECORDS TOTALS call careful change changes connections due fenced floor folded folded_ever format given_back graced held left more now operations reaped rebuilt records rejected size skipped sockets t users why

local extra
if why then
  t.broken = nil
  extra = careful()
end
local f = extra or {}
local k = #f
if t.history then
  t.careful = extra
  local keep_history = HISTORY
  local written = keep_history()
  for i = 1, written and #written or 0 do f[k + i] = written[i] end
  k = #f
end
if more == 1 then left = call('XLEN', RECORDS) end

-- The turn: which caller folds for the others for a while, depending on the rate of records. It affects only the pace.
local holder, turn_left, rate = t[13] or '', tonumber(t[14] or 0) - now, tonumber(t[17] or 0)
if turn_left <= 0 or turn_left > TURN_MS then holder, turn_left = '', 0 end
-- Until when a caller that listens to changes is remembered.
local listened_left = tonumber(t[21] or 0) - now
if listened_left <= 0 or listened_left > LISTENED_MS then listened_left = 0 end
-- What the turn is given by: how many calls there would be if each operation made one. Several in a record are one process that is
-- busy, or one that lists all it has: beyond a few they would make no more calls.
local work = tonumber(t[22] or 0) + math.max(records, math.min(operations, records * WORK_MAX))
if CALLER ~= '' then
  if ARGV[8] == 'listens' and listened_left < LISTENED_MS / 2 then
    listened_left = LISTENED_MS
    f[k + 1], f[k + 2] = 'listened', now + LISTENED_MS
    k = k + 2
  end
  local mark = tonumber(t[15] or 0)
  local since, done = now - mark, work - tonumber(t[16] or 0)
  -- Half the time is enough for as many as make a high rate in all of it: a burst is folded one by one until it is noticed.
  if since >= MEASURE_MS or since >= MEASURE_MS / 2 and done >= RATE_HIGH * MEASURE_MS / 1000 or since < 0 then
    local fresh = since < 0 and 0 or done * 1000 / since
    rate = since > 10 * MEASURE_MS and fresh or (rate + fresh) / 2
    rate = floor(rate)
    f[k + 1], f[k + 2], f[k + 3], f[k + 4], f[k + 5], f[k + 6] = 'mark', now, 'marked', work, 'rate', rate
    k = k + 6
  end
  if holder == '' or holder == CALLER then
    if ARGV[8] ~= 'last' and (rate >= RATE_HIGH or holder == CALLER and rate >= RATE_LOW) then
      holder, turn_left = CALLER, TURN_MS
      f[k + 1], f[k + 2], f[k + 3], f[k + 4] = 'turn', CALLER, 'ends', now + TURN_MS
      k = k + 4
    elseif holder == CALLER then
      holder, turn_left = '', 0
      f[k + 1], f[k + 2] = 'ends', 0
      k = k + 2
    end
  end
end
if t.lingering and t.lingering ~= tonumber(t[23] or -1) then f[k + 1], f[k + 2] = 'lingering', t.lingering k = k + 2 end
if t.counts then
  f[k + 1], f[k + 2] = 'scoped', format('%.0f %.0f %.0f', unpack(t.counts))
  k = k + 2
end
if t.moved then f[k + 1], f[k + 2] = 'moved', t.moved k = k + 2 end
if extra then
  call('HSET', TOTALS, 'shards', ARGV[1], 'protocol', PROTOCOL, 'users', users, 'sockets', sockets, 'connections', connections,
    'folded', folded, 'change', change, 'records', folded_ever + records, 'ran', now, 'due', due, 'size', size,
    'graced', graced, 'work', work, unpack(f))
elseif records > 0 or k > 0 then
  -- The quick path writes only what has changed.
  if connections ~= tonumber(t[5]) then f[k + 1], f[k + 2] = 'connections', connections k = k + 2 end
  if due ~= tonumber(t[10]) then f[k + 1], f[k + 2] = 'due', due k = k + 2 end
  if size ~= tonumber(t[11]) then f[k + 1], f[k + 2] = 'size', size k = k + 2 end
  if graced ~= tonumber(t[18]) then f[k + 1], f[k + 2] = 'graced', graced k = k + 2 end
  call('HSET', TOTALS, 'users', format('%d', users), 'sockets', format('%d', sockets), 'folded', folded, 'change', change,
    'records', format('%d', folded_ever + records), 'ran', format('%d', now), 'work', format('%d', work), unpack(f, 1, k))
end
-- Nobody is left: then what is next to be forgotten is due. It is no part of `due` of the totals, by which answers are stale.
if due < 0 then due = tonumber(call('HGET', TOTALS, 'forget') or -1) end
return { PROTOCOL, now, due, more, folded, records, operations, skipped, fenced, rejected, reaped, given_back, changes, held,
  left, rebuilt, holder, turn_left, listened_left, t.unheard or 0 }
